//! libpcap: what compiles, and what is right.

use pcap::{BpfProgram, Capture, Linktype};
use tap_userspace::engine::filter::{Instruction, Program};

/// An expression as libpcap compiles it for Ethernet.
pub(crate) struct Compiled {
    theirs: BpfProgram,
    pub(crate) program: Program,
}

impl Compiled {
    /// With libpcap's own error. What it compiles has to be a program.
    pub(crate) fn new(expression: &str) -> Result<Self, pcap::Error> {
        let ethernet = Capture::dead(Linktype::ETHERNET)?;
        let theirs = ethernet.compile(expression, true)?;
        let instructions: Vec<_> = theirs
            .get_instructions()
            .iter()
            // Its fields are not public; its text has all four.
            .map(|instruction| parse(&instruction.to_string()))
            .collect();
        let program = Program::new(&instructions);
        let program = program.unwrap_or_else(|error| panic!("{expression}: {error}"));
        Ok(Self { theirs, program })
    }

    pub(crate) fn matches(&self, frame: &[u8]) -> bool {
        self.theirs.filter(frame)
    }
}

fn parse(text: &str) -> Instruction {
    let mut numbers = text.split_whitespace().map(|number| {
        let number: u32 = number.parse().expect("a number");
        number
    });
    let mut next = || numbers.next().expect("four numbers");
    let small = |what| u8::try_from(what).expect("a jump");
    Instruction {
        code: u16::try_from(next()).expect("a code"),
        jt: small(next()),
        jf: small(next()),
        k: next(),
    }
}
