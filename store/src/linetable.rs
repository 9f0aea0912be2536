//! From an instruction to its line: CPython's location table (PEP 626, the same from 3.11 on).
//!
//! Each entry: one byte `1 | kind:4 | length - 1:3`, then what the kind says. A damaged table gives a
//! wrong line or none, never more.

/// The line of the instruction `unit` code units into the code; `None` if it has none.
pub(crate) fn line(table: &[u8], first_line: i32, unit: u32) -> Option<i32> {
    let mut line = i64::from(first_line);
    let mut at = 0u64;
    let mut rest = table;
    while let Some((head, tail)) = rest.split_first() {
        rest = tail;
        let kind = head >> 3 & 15;
        let units = u64::from(head & 7) + 1;
        let mut has_line = true;
        match kind {
            0..=9 => skip(&mut rest, 1)?,
            10..=12 => {
                line += i64::from(kind - 10);
                skip(&mut rest, 2)?;
            }
            13 => line += signed(&mut rest)?,
            14 => {
                line += signed(&mut rest)?;
                for _ in 0..3 {
                    number(&mut rest)?;
                }
            }
            _ => has_line = false,
        }
        if (at..at + units).contains(&u64::from(unit)) {
            return has_line.then(|| i32::try_from(line).ok()).flatten();
        }
        at += units;
    }
    None
}

fn skip(rest: &mut &[u8], n: usize) -> Option<()> {
    *rest = rest.get(n..)?;
    Some(())
}

/// Six bits a byte, low ones first; bit 6 says that more follow.
fn number(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    let mut shift = 0;
    loop {
        let (byte, tail) = rest.split_first()?;
        *rest = tail;
        value |= u32::from(byte & 63).checked_shl(shift)?;
        shift += 6;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
}

fn signed(rest: &mut &[u8]) -> Option<i64> {
    let n = i64::from(number(rest)?);
    Some(if n & 1 != 0 { -(n >> 1) } else { n >> 1 })
}

#[cfg(test)]
mod tests {
    use super::line;

    // def f(a):\n    b = a + 1\n    return b * 2\n   at line 1, compiled by CPython 3.11
    const TABLE: &[u8] = &[
        0x80, 0x00, 0xd8, 0x08, 0x09, 0x88, 0x41, 0x89, 0x05, 0x80, 0x41, 0xd8, 0x0b, 0x0c, 0x88, 0x71, 0x89,
        0x35, 0x80, 0x4c,
    ];

    #[test]
    fn lines_of_a_real_table() {
        let lines: Vec<_> = (0..7).map(|unit| line(TABLE, 1, unit)).collect();
        assert_eq!(lines[0], Some(1));
        assert_eq!(lines[1], Some(2));
        assert_eq!((line(TABLE, 1, 5), line(TABLE, 1, 6), line(TABLE, 1, 10)), (Some(2), Some(3), Some(3)));
        assert_eq!(line(TABLE, 1, 1000), None);
    }

    #[test]
    fn damaged_tables_end() {
        for seed in 0..=255u8 {
            let table: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(seed) ^ seed.rotate_left(3)).collect();
            for unit in [0, 1, 100, u32::MAX] {
                line(&table, 1, unit);
            }
        }
    }
}
