//! The subjects of histories: a register and claims, each beside a model that shares no code with it. Random numbers
//! from a seed.
//!
//! Included by the tests of the core and of the engines.

#![allow(unreachable_pub, reason = "included by test programs of two crates")]

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;

use happens_before_replicated::StateMachine;
use happens_before_replicated::claims::{self, Claims};
use happens_before_replicated::register::{self, Register};

/// A state machine under test, and beside it a model that shares no code with it.
pub trait Subject {
    type Machine: StateMachine<Command: Clone + PartialEq + Debug> + Clone;
    type Op: Clone + PartialEq + Debug;
    type Ret: Clone + PartialEq + Debug;
    type State: Clone + Eq + Hash;

    fn machine() -> Self::Machine;
    fn state() -> Self::State;
    fn choose(random: &mut Random, client: u64) -> Self::Op;
    /// Returns the command of an operation; `None` for a read.
    fn command(op: &Self::Op) -> Option<<Self::Machine as StateMachine>::Command>;
    fn ret(
        output: Option<<Self::Machine as StateMachine>::Output>,
        op: &Self::Op,
        state: &Self::Machine,
    ) -> Self::Ret;
    fn step(state: &Self::State, op: &Self::Op) -> (Self::State, Self::Ret);
}

#[derive(Debug)]
pub struct OneRegister;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RegisterOp {
    Read,
    Write(u8),
    Swap(u8, u8),
}

impl Subject for OneRegister {
    type Machine = Register<u8>;
    type Op = RegisterOp;
    /// The value read, or the one that refused a swap; `None` for done.
    type Ret = Option<u8>;
    type State = u8;

    fn machine() -> Register<u8> {
        Register::new(0)
    }

    fn state() -> u8 {
        0
    }

    fn choose(random: &mut Random, _: u64) -> RegisterOp {
        let mut value = || random.below(4) as u8;
        let (a, b) = (value(), value());
        [RegisterOp::Read, RegisterOp::Read, RegisterOp::Write(a), RegisterOp::Swap(a, b)]
            [random.below(4) as usize]
    }

    fn command(op: &RegisterOp) -> Option<register::Command<u8>> {
        match *op {
            RegisterOp::Read => None,
            RegisterOp::Write(new) => Some(register::Command::Write(new)),
            RegisterOp::Swap(expected, new) => Some(register::Command::CompareAndSet { expected, new }),
        }
    }

    fn ret(output: Option<register::Outcome<u8>>, _: &RegisterOp, machine: &Register<u8>) -> Option<u8> {
        match output {
            None => Some(*machine.value()),
            Some(register::Outcome::Set) => None,
            Some(register::Outcome::Refused { current }) => Some(current),
        }
    }

    fn step(&state: &u8, op: &RegisterOp) -> (u8, Option<u8>) {
        match *op {
            RegisterOp::Read => (state, Some(state)),
            RegisterOp::Write(new) => (new, None),
            RegisterOp::Swap(expected, new) if expected == state => (new, None),
            RegisterOp::Swap(..) => (state, Some(state)),
        }
    }
}

#[derive(Debug)]
pub struct Names;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NameOp {
    Owner(u8),
    Claim(u8, u64),
    Release(u8, u64),
}

impl Subject for Names {
    type Machine = Claims<u8, u64>;
    type Op = NameOp;
    /// The owner of the name, after the operation.
    type Ret = Option<u64>;
    type State = BTreeMap<u8, u64>;

    fn machine() -> Claims<u8, u64> {
        Claims::new(2)
    }

    fn state() -> BTreeMap<u8, u64> {
        BTreeMap::new()
    }

    fn choose(random: &mut Random, client: u64) -> NameOp {
        let name = random.below(3) as u8;
        match random.below(5) {
            0 | 1 => NameOp::Owner(name),
            2 => NameOp::Release(name, client),
            _ => NameOp::Claim(name, client),
        }
    }

    fn command(op: &NameOp) -> Option<claims::Command<u8, u64>> {
        match *op {
            NameOp::Owner(_) => None,
            NameOp::Claim(name, claimant) => Some(claims::Command::Claim { name, claimant }),
            NameOp::Release(name, claimant) => Some(claims::Command::Release { name, claimant }),
        }
    }

    fn ret(output: Option<claims::Outcome<u64>>, op: &NameOp, machine: &Claims<u8, u64>) -> Option<u64> {
        let (NameOp::Owner(name) | NameOp::Claim(name, _) | NameOp::Release(name, _)) = op;
        match (output, op) {
            (None | Some(claims::Outcome::NotHeld), _) => machine.owner(name).copied(),
            (Some(claims::Outcome::Won), NameOp::Claim(_, claimant)) => Some(*claimant),
            (Some(claims::Outcome::Lost { owner }), _) => Some(owner),
            (Some(_), _) => None,
        }
    }

    fn step(state: &Self::State, op: &NameOp) -> (Self::State, Option<u64>) {
        let mut state = state.clone();
        let (NameOp::Owner(name) | NameOp::Claim(name, _) | NameOp::Release(name, _)) = op;
        if let NameOp::Claim(_, claimant) = *op
            && (state.len() < 2 || state.contains_key(name))
        {
            state.entry(*name).or_insert(claimant);
        }
        if let NameOp::Release(_, claimant) = *op
            && state.get(name) == Some(&claimant)
        {
            state.remove(name);
        }
        let owner = state.get(name).copied();
        (state, owner)
    }
}

/// Random numbers from a seed, the same on every platform: splitmix64.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub fn per_mille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }
}
