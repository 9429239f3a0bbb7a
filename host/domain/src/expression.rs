//! Boolean expressions over gates: `signature && (window || !freeze)`, or in words: `signature and (window or not freeze)`.
//!
//! Three values, after Kleene: a gate that passes or warns is true, one that fails is false, and one that holds is open.
//! What did not answer is open as well, so that `!` makes no pass out of a trap; [`crate::GroupReport`] says what an open
//! result comes to.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// The longest expression, in characters.
const CHARS_MAX: usize = 1_000;
/// How deep parentheses and negations may stand in each other: reading and evaluating recurse.
const DEPTH_MAX: usize = 32;

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// It does not.
    False,
    /// Nobody knows yet.
    Open,
    /// It does.
    True,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Truth::False => Truth::True,
            Truth::Open => Truth::Open,
            Truth::True => Truth::False,
        }
    }
}

/// An expression that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    root: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Gate(String),
    Not(Box<Node>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at character {place}: {detail}")]
pub struct ExpressionError {
    /// Counted from 1.
    pub place: usize,
    /// What is wrong there, and what would be right.
    pub detail: String,
}

impl Expression {
    /// The gates that it speaks of.
    pub fn gates(&self) -> BTreeSet<&str> {
        let mut gates = BTreeSet::new();
        self.root.collect(&mut gates);
        gates
    }

    /// What it comes to, and the gates because of which it does.
    pub fn evaluate(&self, truth: &impl Fn(&str) -> Truth) -> (Truth, BTreeSet<&str>) {
        self.root.evaluate(truth)
    }
}

impl Node {
    fn collect<'a>(&'a self, gates: &mut BTreeSet<&'a str>) {
        match self {
            Node::Gate(id) => _ = gates.insert(id),
            Node::Not(node) => node.collect(gates),
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().for_each(|node| node.collect(gates)),
        }
    }

    fn evaluate(&self, truth: &impl Fn(&str) -> Truth) -> (Truth, BTreeSet<&str>) {
        match self {
            Node::Gate(id) => (truth(id), BTreeSet::from([id.as_str()])),
            Node::Not(node) => {
                let (truth, because) = node.evaluate(truth);
                (truth.not(), because)
            }
            Node::All(nodes) => decided(nodes.iter().map(|node| node.evaluate(truth)), Ord::min),
            Node::Any(nodes) => decided(nodes.iter().map(|node| node.evaluate(truth)), Ord::max),
        }
    }
}

/// The worst or best of the parts, because of those that are it.
fn decided<'a>(
    parts: impl Iterator<Item = (Truth, BTreeSet<&'a str>)>,
    of: fn(Truth, Truth) -> Truth,
) -> (Truth, BTreeSet<&'a str>) {
    let parts: Vec<_> = parts.collect();
    let truth = parts.iter().map(|(truth, _)| *truth).reduce(of).unwrap_or(Truth::Open);
    let because = parts.into_iter().filter(|(part, _)| *part == truth).flat_map(|(_, because)| because);
    (truth, because.collect())
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Gate(String),
    And,
    Or,
    Not,
    Open,
    Close,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Gate(id) => write!(f, "`{id}`"),
            Token::And => f.write_str("`&&`"),
            Token::Or => f.write_str("`||`"),
            Token::Not => f.write_str("`!`"),
            Token::Open => f.write_str("`(`"),
            Token::Close => f.write_str("`)`"),
        }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let end = text.chars().count() + 1;
        if end > CHARS_MAX + 1 {
            return Err(wrong(CHARS_MAX + 1, format!("an expression has at most {CHARS_MAX} characters")));
        }
        let tokens = tokens(text)?;
        let mut reader = Reader { tokens: &tokens, at: 0, end, depth: 0 };
        let root = reader.any()?;
        match reader.next() {
            None => Ok(Self { root }),
            Some((place, token)) => {
                Err(wrong(place, format!("found {token}; join two gates with `&&` or `||`")))
            }
        }
    }
}

fn wrong(place: usize, detail: String) -> ExpressionError {
    ExpressionError { place, detail }
}

/// Whether a character may stand in the name of a gate.
pub(crate) fn names(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// Whether a name means something else in an expression.
pub(crate) fn reserved(name: &str) -> bool {
    ["and", "or", "not"].iter().any(|word| name.eq_ignore_ascii_case(word))
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut characters = text.chars().enumerate().peekable();
    while let Some((at, character)) = characters.next() {
        let place = at + 1;
        let token = match character {
            ' ' | '\t' | '\n' | '\r' => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '!' => Token::Not,
            '&' | '|' => {
                if characters.next_if(|(_, next)| *next == character).is_none() {
                    return Err(wrong(place, format!("found one `{character}`; write it twice")));
                }
                if character == '&' { Token::And } else { Token::Or }
            }
            _ if names(character) => {
                let mut name = String::from(character);
                while let Some((_, more)) = characters.next_if(|(_, next)| names(*next)) {
                    name.push(more);
                }
                match name.to_ascii_lowercase().as_str() {
                    "and" => Token::And,
                    "or" => Token::Or,
                    "not" => Token::Not,
                    _ => Token::Gate(name),
                }
            }
            _ => {
                let detail =
                    format!("`{character}` means nothing here; use gates, `&&`, `||`, `!`, `(` and `)`");
                return Err(wrong(place, detail));
            }
        };
        tokens.push((place, token));
    }
    Ok(tokens)
}

/// Reads by descent: `||` binds weakest, `!` strongest.
struct Reader<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    /// The place after the last character.
    end: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(usize, &'a Token)> {
        let (place, token) = self.tokens.get(self.at)?;
        self.at += 1;
        Some((*place, token))
    }

    fn take(&mut self, wanted: &Token) -> bool {
        let found = self.tokens.get(self.at).is_some_and(|(_, token)| token == wanted);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.all()?];
        while self.take(&Token::Or) {
            nodes.push(self.all()?);
        }
        Ok(one_of(nodes, Node::Any))
    }

    fn all(&mut self) -> Result<Node, ExpressionError> {
        let mut nodes = vec![self.gate()?];
        while self.take(&Token::And) {
            nodes.push(self.gate()?);
        }
        Ok(one_of(nodes, Node::All))
    }

    fn gate(&mut self) -> Result<Node, ExpressionError> {
        let end = self.end;
        let Some((place, token)) = self.next() else {
            return Err(wrong(end, "it ends where a gate should stand".to_owned()));
        };
        match token {
            Token::Gate(id) => Ok(Node::Gate(id.clone())),
            Token::Not => self.deeper(place, |reader| Ok(Node::Not(Box::new(reader.gate()?)))),
            Token::Open => self.deeper(place, |reader| {
                let inner = reader.any()?;
                match reader.take(&Token::Close) {
                    true => Ok(inner),
                    false => Err(wrong(place, "this `(` is never closed".to_owned())),
                }
            }),
            other => Err(wrong(place, format!("found {other} where a gate should stand"))),
        }
    }

    fn deeper(
        &mut self,
        place: usize,
        read: impl FnOnce(&mut Self) -> Result<Node, ExpressionError>,
    ) -> Result<Node, ExpressionError> {
        if self.depth == DEPTH_MAX {
            return Err(wrong(place, format!("more than {DEPTH_MAX} levels stand in each other here")));
        }
        self.depth += 1;
        let node = read(self)?;
        self.depth -= 1;
        Ok(node)
    }
}

fn one_of(mut nodes: Vec<Node>, several: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        1 => nodes.remove(0),
        _ => several(nodes),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Expression {
        text.parse().unwrap()
    }

    fn refused(text: &str) -> String {
        text.parse::<Expression>().unwrap_err().to_string()
    }

    /// With `t…` true, `f…` false and everything else open.
    fn evaluated(text: &str) -> (Truth, Vec<String>) {
        let expression = read(text);
        let (truth, because) = expression.evaluate(&|id| match id.as_bytes().first() {
            Some(b't') => Truth::True,
            Some(b'f') => Truth::False,
            _ => Truth::Open,
        });
        (truth, because.into_iter().map(str::to_owned).collect())
    }

    #[test]
    fn signs_and_words_say_the_same_and_not_binds_before_and_before_or() {
        let signs = read("a && !b || c");
        assert_eq!(signs, read("a and not b OR c"));
        assert_eq!(signs, read("((a)&&(!(b)))||c"));
        assert_ne!(signs, read("a && !(b || c)"));
        assert_eq!(signs.gates().into_iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        assert_eq!(refused(""), "at character 1: it ends where a gate should stand");
        assert_eq!(refused("a &&"), "at character 5: it ends where a gate should stand");
        assert_eq!(refused("a & b"), "at character 3: found one `&`; write it twice");
        assert_eq!(refused("a b"), "at character 3: found `b`; join two gates with `&&` or `||`");
        assert_eq!(refused("(a || b"), "at character 1: this `(` is never closed");
        assert_eq!(refused("a || )"), "at character 6: found `)` where a gate should stand");
        assert!(refused("ä && b").starts_with("at character 1: `ä` means nothing here"));
        assert!(refused(&"x".repeat(CHARS_MAX + 1)).contains("at most 1000 characters"));
    }

    #[test]
    fn nesting_is_bounded_at_its_edge() {
        let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        read(&nested(DEPTH_MAX));
        assert!(refused(&nested(DEPTH_MAX + 1)).contains("more than 32 levels"));
        assert!(refused(&format!("{}a", "!".repeat(DEPTH_MAX + 1))).contains("more than 32 levels"));
    }

    #[test]
    fn three_values_and_the_gates_that_decide() {
        assert_eq!(evaluated("t1 && f1 && o1"), (Truth::False, vec!["f1".to_owned()]));
        assert_eq!(evaluated("t1 && o1"), (Truth::Open, vec!["o1".to_owned()]));
        assert_eq!(evaluated("f1 || o1"), (Truth::Open, vec!["o1".to_owned()]));
        assert_eq!(evaluated("f1 || t1 || o1"), (Truth::True, vec!["t1".to_owned()]));
        assert_eq!(evaluated("f1 || f2"), (Truth::False, vec!["f1".to_owned(), "f2".to_owned()]));
        assert_eq!(evaluated("!o1"), (Truth::Open, vec!["o1".to_owned()]));
        assert_eq!(evaluated("!(t1 && !f1)"), (Truth::False, vec!["f1".to_owned(), "t1".to_owned()]));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader(text in "[a-c&|!() notandr]{0,80}") {
            if let Ok(expression) = text.parse::<Expression>() {
                prop_assert!(!expression.gates().is_empty());
            }
        }

        /// To learn what was open changes nothing that was decided already.
        #[test]
        fn what_is_decided_stays_decided(text in "!?[tfo]1( (&&|\\|\\|) !?\\(?[tfo][12]){0,4}", as_true: bool) {
            if let Ok(expression) = text.parse::<Expression>() {
                let open = |id: &str| match id.as_bytes()[0] { b't' => Truth::True, b'f' => Truth::False, _ => Truth::Open };
                let (before, _) = expression.evaluate(&open);
                let (after, _) = expression.evaluate(&|id| match open(id) {
                    Truth::Open if as_true => Truth::True,
                    Truth::Open => Truth::False,
                    known => known,
                });
                prop_assert!(before == Truth::Open || before == after);
            }
        }
    }
}
