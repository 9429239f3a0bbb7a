//! Components that are hard on a compiler. Written byte by byte, since text of that size would take longer than the compiler.

/// The component with one more core module, which nobody instantiates: it is compiled all the same.
pub fn with_module(mut component: Vec<u8>, module: &[u8]) -> Vec<u8> {
    component.extend(section(1, module));
    component
}

/// The component with another digest: the same, and a custom section with these bytes in it.
pub fn with_mark(mut component: Vec<u8>, mark: &[u8]) -> Vec<u8> {
    component.extend(section(0, &[&[4], &b"mark"[..], mark].concat()));
    component
}

/// A core module of so many functions, each with so many branches over a thousand variables that all stay alive. A
/// branch takes 27 bytes or a little less.
pub fn module(functions: u32, branches: u32) -> Vec<u8> {
    const VARIABLES: u32 = 1_000;
    const I64: u8 = 0x7e;
    let mut body = [vec![1], leb(VARIABLES), vec![I64]].concat();
    for branch in 0..branches {
        let (to, from, other) = (branch % VARIABLES, branch * 7 % VARIABLES, branch * 13 % VARIABLES);
        let (to, from, other) = (leb(to), leb(from), leb(other));
        // if from > other { to = from * (other + 3) }
        let get = |variable: &Vec<u8>| [&[0x20], &variable[..]].concat();
        let parts = [
            get(&from),
            get(&other),
            vec![0x55, 0x04, 0x40],
            get(&from),
            get(&other),
            vec![0x42, 3, 0x7c, 0x7e, 0x21],
            to,
            vec![0x0b],
        ];
        parts.iter().for_each(|part| body.extend(part));
    }
    body.push(0x0b);
    let body = [leb(body.len() as u32), body].concat();
    let mut code = leb(functions);
    (0..functions).for_each(|_| code.extend(&body));
    let types = [leb(functions), vec![0; functions as usize]].concat();
    // One type without parameters and results.
    [b"\0asm\x01\0\0\0".to_vec(), section(1, &[1, 0x60, 0, 0]), section(3, &types), section(10, &code)]
        .concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id], &leb(content.len() as u32)[..], content].concat()
}

/// Unsigned LEB128.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
