//! tcpdump's filters, in the kernel: classic BPF as libpcap compiles it, looked
//! at, run, and translated for the kernel's own machine.

mod assemble;
mod ebpf;
mod instruction;
mod interpret;
mod layout;
mod load;
mod program;
mod registers;
mod sensitivity;
mod translate;

pub use ebpf::Ebpf;
pub use instruction::Instruction;
pub use program::{Program, ProgramError};
pub use sensitivity::Sensitivity;
pub use translate::{LinkHeader, TranslateError};
