//! What was found and made so far still holds, without a fuzzer.

use std::{fs, path::Path};

use crate::{checksum, decode, duplicates, filter, headers, pcapng, segment};

#[test]
fn each_input_of_the_corpus_holds() {
    for (target, check) in [
        ("headers", headers::check as fn(&[u8])),
        ("decode", decode::check),
        ("segment", segment::check),
        ("duplicates", duplicates::check),
        ("checksum", checksum::check),
        ("pcapng", pcapng::check),
        ("filter", filter::check),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(target);
        let mut inputs = 0;
        for entry in fs::read_dir(&folder).expect("a corpus") {
            let path = entry.expect("an input").path();
            // Named by the test runner if the check fails.
            println!("{}", path.display());
            check(&fs::read(&path).expect("an input"));
            inputs += 1;
        }
        assert!(inputs > 2, "{inputs} inputs in {}", folder.display());
    }
}

/// Else their checks would hold of nothing.
#[test]
fn super_frames_of_the_corpus_are_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/segment");
    let mut cut = 0;
    for entry in fs::read_dir(&folder).expect("a corpus") {
        let entry = entry.expect("an input");
        let name = entry.file_name().into_string().expect("a name");
        if name.contains("-super") && !name.starts_with("bad-") || name.contains("-removed") {
            let frames = segment::cut(&fs::read(entry.path()).expect("an input"));
            assert!(frames > 1, "{frames} frames of {name}");
            cut += 1;
        }
    }
    assert!(cut > 20, "{cut} super-frames");
}
