//! The counting itself.

use super::{Level, LevelTally, Order, Profile, Stages, Tally};
use crate::{ApprovalFacts, Given, Timestamp, approval::independent};

/// What has come together. Levels that are ordered are filled along time: an approval is looked at when it was given, and
/// counts for the level whose turn it was then. Approvals of one instant are looked at together.
pub(super) fn tally(profile: &Profile, facts: &ApprovalFacts, stage: u32, now: Timestamp) -> Tally {
    let given = counted(profile, facts, stage, now);
    let since = facts.since.unwrap_or_else(|| given.first().map_or(now, |first| first.at));
    let mut open_since = vec![None; profile.levels.len()];
    let mut filled: Vec<Vec<&Given>> = vec![Vec::new(); profile.levels.len()];
    match profile.order {
        Order::Parallel => {
            open_since.fill(Some(since));
            fill(profile, &given, &open_since, &mut filled, 0, false);
        }
        Order::Ordered => {
            let mut turn = 0;
            if let Some(first) = open_since.first_mut() {
                *first = Some(since);
            }
            for at_once in given.chunk_by(|one, other| one.at == other.at) {
                let at = at_once[0].at;
                // Those after it could be reached at this very instant.
                for later in open_since.iter_mut().skip(turn + 1) {
                    *later = Some(at);
                }
                turn = fill(profile, at_once, &open_since, &mut filled, turn, true);
                for later in open_since.iter_mut().skip(turn + 1) {
                    *later = None;
                }
            }
        }
    }
    let mut before = true;
    let levels = profile.levels.iter().zip(filled).zip(open_since).map(|((level, filled), open_since)| {
        let enough = filled.len() >= level.count as usize;
        let complete = enough && (before || profile.order == Order::Parallel);
        before = before && enough;
        LevelTally {
            complete,
            open_since,
            escalates_at: open_since.and_then(|since| escalates_at(level, since)),
            // Before the rollout begins, and for a stage that asks for its own.
            expires_at: filled
                .iter()
                .filter(|_| ages(profile, stage))
                .filter_map(|given| profile.expiry(given.at))
                .min(),
            persons: filled.into_iter().map(|given| given.person.clone()).collect(),
        }
    });
    Tally { levels: levels.collect() }
}

/// Whether approvals grow old here. Those of a whole change do not once its rollout has begun: a canary with long holds must
/// be able to finish.
fn ages(profile: &Profile, stage: u32) -> bool {
    stage == 0 || profile.stages == Stages::Each
}

/// The approvals that may count, by time: of the right stage, not expired, and of persons who do not stand for each other.
fn counted<'a>(profile: &Profile, facts: &'a ApprovalFacts, stage: u32, now: Timestamp) -> Vec<&'a Given> {
    let wanted = (stage > 0 && profile.stages == Stages::Each).then_some(stage);
    let standing = facts
        .given
        .iter()
        .filter(|given| given.stage == wanted)
        // Exactly at the instant is too late.
        .filter(|given| !ages(profile, stage) || profile.expiry(given.at).is_none_or(|expiry| now < expiry));
    let mut given: Vec<&Given> = independent(standing).collect();
    given.sort_by(|one, other| (one.at, &one.person).cmp(&(other.at, &other.person)));
    given
}

fn escalates_at(level: &Level, since: Timestamp) -> Option<Timestamp> {
    let after = level.escalate_after_ms?;
    Some(since.plus_millis(i64::try_from(after).unwrap_or(i64::MAX)))
}

fn may_fill(level: &Level, since: Option<Timestamp>, given: &Given) -> bool {
    let Some(since) = since else { return false };
    let holds = |roles: &[crate::Role]| roles.iter().any(|role| given.roles.contains(role));
    let wider = escalates_at(level, since).is_some_and(|from| from <= given.at) && holds(&level.escalate_to);
    (!level.signature || given.signed) && (holds(&level.roles) || wider)
}

/// Fills the free places of the levels from `turn` on with as many of these as possible: a maximum matching by augmenting
/// paths, place after place, so that a place once filled stays filled (with somebody else, perhaps). When `in_turn`, the
/// first level that stays open ends it. Returns the level whose turn it is then.
fn fill<'a>(
    profile: &Profile,
    given: &[&'a Given],
    open_since: &[Option<Timestamp>],
    filled: &mut [Vec<&'a Given>],
    turn: usize,
    in_turn: bool,
) -> usize {
    let mut places: Vec<usize> = Vec::new();
    let mut of_person: Vec<Option<usize>> = vec![None; given.len()];
    let mut stopped_at = profile.levels.len();
    for (at, level) in profile.levels.iter().enumerate().skip(turn) {
        let free = (level.count as usize).saturating_sub(filled[at].len());
        let mut short = false;
        for _ in 0..free {
            places.push(at);
            let mut seen = vec![false; given.len()];
            let fits = |place: usize, person: usize| {
                let level = places[place];
                may_fill(&profile.levels[level], open_since[level], given[person])
            };
            short |= !augment(places.len() - 1, &fits, &mut of_person, &mut seen);
        }
        if short && in_turn {
            stopped_at = at;
            break;
        }
    }
    for (person, place) in of_person.iter().enumerate() {
        if let Some(place) = place {
            filled[places[*place]].push(given[person]);
        }
    }
    stopped_at
}

/// Finds somebody for a place, moving others to other places where that helps.
fn augment(
    place: usize,
    fits: &impl Fn(usize, usize) -> bool,
    of_person: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    for person in 0..of_person.len() {
        if seen[person] || !fits(place, person) {
            continue;
        }
        seen[person] = true;
        let free = match of_person[person] {
            None => true,
            Some(other) => augment(other, fits, of_person, seen),
        };
        if free {
            of_person[person] = Some(place);
            return true;
        }
    }
    false
}
