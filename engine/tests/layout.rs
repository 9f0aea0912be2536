//! Promise: the layouts that the engine compiles in are those of the headers of the Python it is built
//! for. (That the running interpreter is the same is tested at every import.)

use std::collections::HashMap;
use std::mem::offset_of;
use std::process::Command;
use torpor_engine::frame::generator::Generator;
use torpor_engine::frame::{offset, InterpreterFrame, HEADER_WORDS, OWN_OFFSETS, OWN_WORDS};

fn python() -> String {
    std::env::var("PYO3_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// `None` where this Python's headers are not installed: then the test at import is what there is.
fn header_facts() -> Option<HashMap<String, usize>> {
    let include = Command::new(python())
        .args(["-c", "import sysconfig; print(sysconfig.get_path('include'))"])
        .output()
        .expect("the Python that the engine is built for can be run");
    let include = String::from_utf8(include.stdout).expect("a path").trim().to_owned();
    if !std::path::Path::new(&include).join("internal/pycore_frame.h").exists() {
        eprintln!("the headers of this Python are not in {include}: nothing to compare with");
        return None;
    }
    let program = std::env::temp_dir().join(format!("torpor-layout-{}", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/layout.c");
    let compiled = Command::new(std::env::var("CC").unwrap_or_else(|_| "cc".into()))
        .args(["-w", "-I", &include, "-I", &format!("{include}/internal"), source, "-o"])
        .arg(&program)
        .status()
        .expect("a C compiler");
    assert!(compiled.success(), "the headers in {include} can be compiled");
    let said = Command::new(&program).output().expect("the program runs");
    std::fs::remove_file(&program).expect("it can be removed");
    let said = String::from_utf8(said.stdout).expect("text");
    let fact = |line: &str| {
        let (name, value) = line.split_once(' ').expect("name and value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    Some(said.lines().map(fact).collect())
}

#[test]
fn layouts_are_those_of_the_headers() {
    let Some(facts) = header_facts() else { return };
    let mut compared = 0;
    let mut same = |name: &str, ours: usize| {
        assert_eq!(facts.get(name), Some(&ours), "{name}");
        compared += 1;
    };
    same("frame.size", size_of::<InterpreterFrame>());
    same("frame.f_globals", offset_of!(InterpreterFrame, f_globals));
    same("frame.f_builtins", offset_of!(InterpreterFrame, f_builtins));
    same("frame.f_locals", offset_of!(InterpreterFrame, f_locals));
    same("frame.frame_obj", offset_of!(InterpreterFrame, frame_obj));
    same("frame.previous", offset_of!(InterpreterFrame, previous));
    same("frame.header_words", HEADER_WORDS);
    same("thread.recursion_remaining", offset::THREAD_RECURSION_REMAINING);
    same("thread.exc_info", offset::THREAD_EXC_INFO);
    same("thread.datastack_chunk", offset::THREAD_DATASTACK);
    same("thread.datastack_top", offset::THREAD_DATASTACK + 8);
    same("thread.datastack_limit", offset::THREAD_DATASTACK + 16);
    same("thread.context", offset::THREAD_CONTEXT);
    same("chunk.data", 24);
    same("code.firsttraceable", offset::CODE_FIRST_TRACEABLE);
    same("code.nlocalsplus", offset::CODE_NLOCALSPLUS);
    same("code.stacksize", offset::CODE_STACKSIZE);
    same("code.adaptive", offset::CODE_ADAPTIVE);
    same("code.localsplusnames", offset::CODE_LOCALSPLUS_NAMES);
    same("code.localspluskinds", offset::CODE_LOCALSPLUS_KINDS);
    same("tuple.items", offset::TUPLE_ITEMS);
    same("handled.size", size_of::<torpor_engine::frame::HandledItem>());
    same("handled.previous", offset_of!(torpor_engine::frame::HandledItem, previous));
    same("code.flags", offset::CODE_FLAGS);
    let generator = |field: usize| offset::GENERATOR_NAME + field;
    same("generator.name", generator(offset_of!(Generator, name)));
    same("generator.qualname", generator(offset_of!(Generator, qualname)));
    same("generator.handled", generator(offset_of!(Generator, handled)));
    same("generator.closed", generator(offset_of!(Generator, closed)));
    same("generator.iterated", generator(offset_of!(Generator, iterated)));
    same("generator.state", generator(offset_of!(Generator, state)));
    same("generator.frame", generator(offset_of!(Generator, frame)));
    assert_eq!(compared, 31);
    version_items(&facts);
}

fn version_items(facts: &HashMap<String, usize>) {
    for (name, ours) in OWN_OFFSETS.iter().chain(OWN_WORDS) {
        assert_eq!(facts.get(*name), Some(ours), "{name}");
    }
}

/// Opcode numbers are those of the interpreter's own table.
#[test]
fn call_instructions_are_those_of_the_interpreter() {
    let program = "import dis; print(*(dis.opmap.get(n, -1) for n in ('PRECALL', 'CALL', 'CALL_KW', 'CALL_FUNCTION_EX')))";
    let said = Command::new(python()).args(["-c", program]).output().expect("the Python runs");
    let said = String::from_utf8(said.stdout).expect("text");
    let mut theirs: Vec<u8> = said.split_whitespace().filter_map(|n| n.parse::<u8>().ok()).collect();
    let mut ours = torpor_engine::frame::CALLS.to_vec();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
    assert!(ours.contains(&torpor_engine::frame::CALL_FUNCTION_EX));
}
