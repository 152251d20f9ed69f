//! A model of the format by the letter of its description. Bits are characters, and both ways to write a column are
//! tried, so that their lengths can be compared. It shares no code with the codec.

/// A node id in one of its forms. All ids of a vector have the same form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    Number(u64),
    Wide(u128),
    Signed(i64),
    WideSigned(i128),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Pair(Box<Id>, Box<Id>),
}

fn from_bits(bits: &str, highest_first: bool) -> Vec<u8> {
    let byte = |bits: &[u8]| {
        let mut bits: Vec<_> = bits.to_vec();
        bits.resize(8, b'0');
        if !highest_first {
            bits.reverse();
        }
        bits.iter().fold(0, |byte, bit| byte << 1 | (bit - b'0'))
    };
    bits.as_bytes().chunks(8).map(byte).collect()
}

pub fn number(number: u64) -> Vec<u8> {
    let len = (1..9).find(|len| number >> (7 * len) == 0).unwrap_or(9);
    let mark = "1".repeat(len - 1) + if len < 9 { "0" } else { "" };
    let room = 8 * len - mark.len();
    from_bits(&format!("{mark}{number:0room$b}"), true)
}

fn one_by_one(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|&n| number(n)).collect()
}

/// The code of a column, and its bytes.
fn column(numbers: &[u64]) -> (u8, Vec<u8>) {
    let width = numbers.iter().map(|number| 64 - number.leading_zeros()).max().unwrap_or(0);
    let bits = numbers
        .iter()
        .flat_map(|number| (0..width).map(move |bit| if number >> bit & 1 == 1 { '1' } else { '0' }));
    let packed = from_bits(&bits.collect::<String>(), false);
    let one_by_one = one_by_one(numbers);
    if one_by_one.len() < packed.len() { (65, one_by_one) } else { (width as u8, packed) }
}

fn halves(wide: u128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

pub fn id(id: &Id) -> Vec<u8> {
    match id {
        Id::Number(id) => number(*id),
        Id::Wide(id) => one_by_one(&halves(*id)),
        Id::Signed(id @ 0..) => number(2 * *id as u64),
        Id::Signed(id) => number(2 * (-1 - id) as u64 + 1),
        Id::WideSigned(id @ 0..) => one_by_one(&halves(2 * *id as u128)),
        Id::WideSigned(id) => one_by_one(&halves(2 * (-1 - id) as u128 + 1)),
        Id::Pair(first, second) => [self::id(first), self::id(second)].concat(),
        Id::Fixed(id) => id.clone(),
        Id::Bytes(id) => [number(id.len() as u64), id.clone()].concat(),
    }
}

/// Entries sorted by id.
pub fn entries(entries: &[(Id, u64)]) -> Vec<u8> {
    let Some((first, _)) = entries.first() else { return vec![0] };
    let mut columns: Vec<Vec<u64>> = match first {
        Id::Number(_) | Id::Signed(_) => vec![vec![]],
        Id::Wide(_) | Id::WideSigned(_) => vec![vec![], vec![]],
        Id::Fixed(_) | Id::Bytes(_) | Id::Pair(..) => vec![],
    };
    let push = |columns: &mut [Vec<u64>], gap: u128| {
        columns.iter_mut().zip(halves(gap)).for_each(|(column, half)| column.push(half));
    };
    for pair in entries.windows(2) {
        match (&pair[0].0, &pair[1].0) {
            (Id::Number(before), Id::Number(id)) => columns[0].push(id - before - 1),
            (Id::Signed(before), Id::Signed(id)) => {
                columns[0].push((i128::from(*id) - i128::from(*before) - 1) as u64);
            }
            (Id::Wide(before), Id::Wide(id)) => push(&mut columns, id - before - 1),
            (Id::WideSigned(before), Id::WideSigned(id)) => {
                push(&mut columns, id.wrapping_sub(*before).wrapping_sub(1) as u128);
            }
            _ => {}
        }
    }
    let first = if columns.is_empty() { vec![] } else { id(first) };
    let in_full = |entries: &[(Id, u64)]| -> Vec<u8> {
        if columns.is_empty() { entries.iter().flat_map(|entry| id(&entry.0)).collect() } else { vec![] }
    };
    let counters: Vec<u64> = entries.iter().map(|entry| entry.1 - 1).collect();

    if entries.len() <= 8 {
        let gaps: Vec<u128> = match &columns[..] {
            [] => vec![],
            [low] => low.iter().map(|&gap| gap.into()).collect(),
            [high, low, ..] => {
                high.iter().zip(low).map(|(&h, &l)| u128::from(h) << 64 | u128::from(l)).collect()
            }
        };
        let len = (0..=16).find(|len| gaps.iter().all(|gap| *len == 16 || gap >> (8 * len) == 0)).unwrap();
        let mut bytes = number((entries.len() + 8 * len) as u64);
        bytes.extend(first);
        gaps.iter().for_each(|gap| bytes.extend(&gap.to_le_bytes()[..len]));
        bytes.extend(in_full(entries));
        bytes.extend(one_by_one(&counters));
        return bytes;
    }

    let mut bytes = number((entries.len() + 64 * columns.len()) as u64);
    bytes.extend(&first);
    for start in (0..entries.len()).step_by(64) {
        let end = entries.len().min(start + 64);
        let gaps: Vec<_> = columns.iter().map(|column| &column[start.saturating_sub(1)..end - 1]).collect();
        let has_gaps = gaps.iter().any(|gaps| gaps.iter().any(|&gap| gap > 0));
        let (code, counters) = column(&counters[start..end]);
        bytes.push(code + if has_gaps { 128 } else { 0 });
        for (code, gaps) in gaps.into_iter().filter(|_| has_gaps).map(column) {
            bytes.push(code);
            bytes.extend(gaps);
        }
        bytes.extend(in_full(&entries[start..end]));
        bytes.extend(counters);
    }
    bytes
}
