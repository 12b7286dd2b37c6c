//! Numbers.

use super::scan::wrong;
use super::{Message, Reader};

/// A number as it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Signed(i64),
    Fraction(f64),
}

/// Further digits change nothing that an `f64` can hold.
const MANTISSA_MAX: u64 = 1_000_000_000_000_000_000;
/// Beyond these, a number is none or all there is.
const EXPONENT_MAX: i32 = 400;

impl Reader<'_> {
    /// A number; an integer that fits no 64 bits, and `-0`, are fractions.
    pub(super) fn number(&mut self) -> Result<Number, Message> {
        let first = self.peek()?;
        if !matches!(first, b'-' | b'0'..=b'9') {
            return Err(wrong("a number is expected"));
        }
        let negative = first == b'-';
        if negative {
            self.step();
        }
        let start = self.at;
        let mut decimal = Decimal::default();
        self.digits(|digit| decimal.push(digit, false))?;
        if self.bytes.get(start) == Some(&b'0') && self.at.saturating_sub(start) > 1 {
            return Err(wrong("a number begins with 0"));
        }
        let mut integer = decimal.exponent == 0;
        if self.byte() == Some(b'.') {
            integer = false;
            self.step();
            self.digits(|digit| decimal.push(digit, true))?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            integer = false;
            self.step();
            let below = self.byte() == Some(b'-');
            if below || self.byte() == Some(b'+') {
                self.step();
            }
            let mut power = 0_i32;
            self.digits(|digit| power = power.saturating_mul(10).saturating_add(digit.into()).min(EXPONENT_MAX * 10))?;
            decimal.exponent = if below { decimal.exponent.saturating_sub(power) } else { decimal.exponent.saturating_add(power) };
        }
        let exact = decimal.mantissa;
        Ok(match (integer, negative) {
            (true, false) => Number::Unsigned(exact),
            (true, true) if (1..=1 << 63).contains(&exact) => Number::Signed(0_i64.saturating_sub_unsigned(exact)),
            (_, negative) => Number::Fraction(if negative { -decimal.value() } else { decimal.value() }),
        })
    }

    /// One digit or more.
    fn digits(&mut self, mut each: impl FnMut(u8)) -> Result<(), Message> {
        let start = self.at;
        while let Some(digit) = self.byte().and_then(|byte| byte.checked_sub(b'0')).filter(|digit| *digit < 10) {
            each(digit);
            self.step();
        }
        if self.at == start { Err(wrong("a digit is expected")) } else { Ok(()) }
    }
}

/// `mantissa` times ten to the power of `exponent`.
#[derive(Default)]
struct Decimal {
    mantissa: u64,
    exponent: i32,
}

impl Decimal {
    fn push(&mut self, digit: u8, behind_point: bool) {
        let longer = self.mantissa.checked_mul(10).and_then(|longer| longer.checked_add(digit.into()));
        match longer {
            // An integer of 20 digits may fit; of a fraction so many are not kept.
            Some(longer) if self.exponent == 0 && !behind_point => self.mantissa = longer,
            Some(longer) if self.mantissa < MANTISSA_MAX && behind_point => {
                self.mantissa = longer;
                self.exponent = self.exponent.saturating_sub(1);
            }
            _ if behind_point => {}
            _ => self.exponent = self.exponent.saturating_add(1),
        }
    }

    /// Exact as long as the mantissa has at most 15 digits and the exponent at most 22: then both are exact, and so the one operation rounds
    /// once (Clinger: How to read floating point numbers accurately, 1990).
    fn value(&self) -> f64 {
        let mut value = self.mantissa as f64;
        let mut left = self.exponent.clamp(-EXPONENT_MAX, EXPONENT_MAX);
        while left != 0 {
            let power = left.clamp(-22, 22);
            let ten = (0..power.unsigned_abs()).fold(1.0, |ten, _| ten * 10.0);
            value = if power < 0 { value / ten } else { value * ten };
            left = left.saturating_sub(power);
        }
        value
    }
}
