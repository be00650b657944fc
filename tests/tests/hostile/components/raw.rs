//! Components and modules byte by byte: what no tool makes.

/// A number as WebAssembly writes it.
pub(crate) fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

fn length(of: usize) -> Vec<u8> {
    number(u64::try_from(of).unwrap())
}

/// A section.
pub(crate) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &length(content.len()), content].concat()
}

/// A list: how many, and each.
pub(crate) fn list(count: usize, items: &[u8]) -> Vec<u8> {
    [&length(count)[..], items].concat()
}

/// A name.
pub(crate) fn name(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len())[..], bytes].concat()
}

pub(crate) fn module(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x01\0\0\0".to_vec(), sections.concat()].concat()
}

pub(crate) fn component(sections: &[Vec<u8>]) -> Vec<u8> {
    [b"\0asm\x0d\0\x01\0".to_vec(), sections.concat()].concat()
}

/// A component with this module in it, which is instantiated.
pub(crate) fn around(module: &[u8]) -> Vec<u8> {
    component(&[section(1, module), instances(1)])
}

/// So many instances of the first module.
pub(crate) fn instances(count: usize) -> Vec<u8> {
    section(2, &list(count, &[0, 0, 0].repeat(count)))
}

/// Components within components.
pub(crate) fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(component(&[]), |inner, _| component(&[section(4, &inner)]))
}

/// A module with one type (no parameters, no results), and functions of it with these bodies.
pub(crate) fn functions(bodies: &[Vec<u8>], more: &[Vec<u8>]) -> Vec<u8> {
    let kinds = section(1, &list(1, &[0x60, 0, 0]));
    let declared = section(3, &list(bodies.len(), &vec![0; bodies.len()]));
    let code: Vec<u8> =
        bodies.iter().flat_map(|body| [&length(body.len())[..], body].concat()).collect();
    let mut sections = vec![kinds, declared];
    sections.extend_from_slice(more);
    sections.push(section(10, &list(bodies.len(), &code)));
    module(&sections)
}

/// A body without locals.
pub(crate) fn body(code: &[u8]) -> Vec<u8> {
    [&[0][..], code, &[0x0b]].concat()
}
