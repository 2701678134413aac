//! Memories and Boltzmann machines, as a user starts them.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn attractor(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_attractor"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the binary was built for this test")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

fn parsed(folder: &Path, arguments: &[&str]) -> Value {
    let output = attractor(folder, &[arguments, &["--json", "--quiet"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_memory_recalls_its_own_example_and_says_what_it_could_not() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    // Ten glyphs that have much in common: Hebb's rule mixes them up, a steep energy and the projection do not.
    let exact = |arguments: &[&str]| {
        let found = parsed(here, arguments);
        let recalls = found["recalls"].as_array().unwrap().clone();
        assert!(recalls.iter().all(|r| r["why"].as_str().is_some_and(|why| !why.is_empty())), "{found}");
        recalls.iter().filter(|r| r["exact"] == true).count()
    };
    let hebb = exact(&["memory", "hopfield", "--data", "glyphs-8", "--noise", "0.1"]);
    let projection = exact(&["memory", "hopfield", "--data", "glyphs-8", "--noise", "0.1", "--rule", "pseudo-inverse"]);
    let dense = exact(&["memory", "dense", "--demo"]);
    assert!(hebb < 5 && projection >= 8 && dense == 10, "{hebb} {projection} {dense}");
    assert_eq!(exact(&["memory", "hopfield", "--random", "5x200", "--noise", "0.2"]), 5);
    assert_eq!(exact(&["memory", "hopfield", "--random", "5x200", "--mask", "0.4"]), 5);

    let modern = parsed(here, &["memory", "modern", "--demo", "--beta", "40"]);
    assert!(modern["retrievals"].as_array().unwrap().iter().all(|r| r["retrieved"] == true), "{modern}");
    let cold = attractor(here, &["memory", "modern", "--demo", "--beta", "0.5"]);
    assert!(said(&cold).contains("average of more than half of all patterns"), "{}", said(&cold));
    let anneal = parsed(here, &["memory", "anneal", "--demo"]);
    assert_eq!(anneal["energy"], anneal["ground_energy"]);
}

/// A star of a thousand leaves, which only its whole is the cut of: by both names of the command, with its sides in the
/// text, in JSON and as a file that cuts what is said.
#[test]
fn a_cut_is_given_with_its_sides() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let edges: String = (2..=1001).map(|leaf| format!("1 {leaf} 1\n")).collect();
    std::fs::write(here.join("star.txt"), format!("1001 1000\n{edges}")).unwrap();
    for command in [&["maxcut"][..], &["memory", "anneal"]] {
        let found =
            parsed(here, &[command, &["--graph", "star.txt", "--reads", "4", "-o", "cut.txt", "--overwrite"]].concat());
        assert_eq!(found["cut"], 1000.0, "{command:?}");
        let sides = found["partition"].as_array().unwrap();
        assert_eq!((&sides[0], sides[1].as_array().unwrap().len()), (&serde_json::json!([1]), 1000));
        let text = std::fs::read_to_string(here.join("cut.txt")).unwrap();
        assert!(text.starts_with("1 1\n2 -1\n3 -1\n") && text.lines().count() == 1001);
    }
    let words = said(&attractor(here, &["maxcut", "--graph", "star.txt", "--reads", "1"]));
    assert!(words.contains("one side        1 node: 1\n") && words.contains("and 976 more"), "{words}");
}

#[test]
fn every_picture_of_a_memory_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let cases = [
        (&["hopfield", "--demo"][..], &["recall", "frames", "energy", "weights", "contributions", "fields"][..]),
        (&["dense", "--demo"], &["recall", "frames", "energy"]),
        (&["modern", "--demo"], &["recall", "energy", "beta", "weights", "soft-maximum", "attention"]),
        (&["anneal", "--demo", "--sweeps", "60", "--reads", "8"], &["run", "runs", "temperature", "state"]),
        (&["landscape"], &["curve", "contours", "modern-against-classical"]),
        (&["boltzmann", "--demo"], &["law", "firing", "samples"]),
    ];
    for (command, pictures) in cases {
        for picture in pictures {
            let arguments =
                [&["memory"], command, &["--draw", picture, "-o", "out.svg", "--quiet", "--overwrite"]].concat();
            let output = attractor(here, &arguments);
            assert!(output.status.success(), "{arguments:?}: {}", said(&output));
            let svg = std::fs::read_to_string(here.join("out.svg")).unwrap();
            assert!(svg.starts_with("<svg") && (*picture != "frames" || svg.contains("<animate")), "{arguments:?}");
        }
    }
}

fn drawn(folder: &Path, arguments: &[&str]) -> String {
    let output = attractor(folder, &[arguments, &["-o", "out.svg", "--quiet", "--overwrite"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    std::fs::read_to_string(folder.join("out.svg")).unwrap()
}

/// The document's curve: a local minimum at 2.11, and a maximum at which a ball stays until it is pushed.
#[test]
fn balls_roll_where_the_landscape_says() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let found = parsed(here, &["memory", "landscape"]);
    let near = |value: &Value, expected: f64| (value.as_f64().unwrap() - expected).abs() < 5e-3;
    let levels = found["stationary"].as_array().unwrap();
    let expected = [(-1.20, -3.72, "stable"), (0.59, 0.93, "unstable"), (2.11, -2.06, "stable")];
    assert!(
        levels.len() == 3
            && levels.iter().zip(expected).all(|(level, (x, energy, kind))| {
                near(&level["x"], x) && near(&level["energy"], energy) && level["kind"] == kind
            }),
        "{found}"
    );
    let balls = found["balls"].as_array().unwrap();
    assert!(near(&balls[0]["end"], 2.11) && balls[0]["trapped"] == true, "{found}");
    assert!(near(&balls[1]["end"], -1.20) && balls[1]["trapped"] == false, "{found}");
    let svg = drawn(here, &["memory", "landscape"]);
    for part in
        ["stable: a local minimum", "stable: the global minimum", "unstable: a maximum", "ball from x = 1", "<animate"]
    {
        assert!(svg.contains(part), "{part}");
    }
    let even = ["memory", "landscape", "--polynomial", "0,0,-2,0,1", "--start", "0.3,0,0.001", "--steps", "5000"];
    let ends: Vec<f64> =
        parsed(here, &even)["balls"].as_array().unwrap().iter().map(|ball| ball["end"].as_f64().unwrap()).collect();
    assert!((ends[0] - 1.0).abs() < 1e-4 && ends[1] == 0.0 && (ends[2] - 1.0).abs() < 1e-4, "{ends:?}");
    let words = said(&attractor(here, &even));
    assert!(
        words.contains("stays at the maximum")
            && words.contains("converges to a global minimum")
            && !words.contains("local"),
        "{words}"
    );
    // A slope without an end, a plain, and an inflection past which a ball rolls away.
    for (polynomial, start, says) in [
        ("0,1", "0.3", "leaves the plotted range"),
        ("5", "0.3", "the same energy everywhere"),
        ("5", "0.3", "the slope there is zero"),
        ("0,0,0,1", "-0.1", "leaves the plotted range"),
    ] {
        let arguments = ["memory", "landscape", "--polynomial", polynomial, "--start", start];
        let words = said(&attractor(here, &arguments));
        assert!(words.contains(says) && drawn(here, &arguments).starts_with("<svg"), "{polynomial}: {words}");
    }
}

/// Three corners: the classical memory also rests at the mirror of one, the modern one does not.
#[test]
fn the_modern_landscape_has_no_valley_at_a_mirror() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let arguments = ["memory", "landscape", "--draw", "modern-against-classical"];
    let found = parsed(here, &arguments);
    let fates = |memory: &str| -> Vec<String> {
        let all = found["retrievals"][memory].as_array().unwrap();
        all.iter().map(|path| path["fate"].as_str().unwrap().to_string()).collect()
    };
    assert_eq!(fates("classical"), ["pattern 0", "pattern 1", "pattern 2", "mirror of pattern 0"]);
    assert_eq!(fates("modern"), ["pattern 0", "pattern 1", "pattern 2", "pattern 2"]);
    let svg = drawn(here, &arguments);
    assert!(svg.contains(">Classical, its diagonal kept<") && svg.contains(">Modern<") && svg.contains(">pattern 2<"));
}

/// Shares add up to one and fall off as exp(-E / T); a spin's probability is sigma(2 h / T), not sigma(h / T).
#[test]
fn temperatures_are_shown_in_numbers_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let law = parsed(here, &["memory", "boltzmann", "--demo", "--temperatures", "0.7,1.3", "--seed", "5"]);
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let energies = numbers(&law["energies"]);
    assert_eq!(numbers(&law["states"]).iter().sum::<f64>(), 4096.0);
    for (at, temperature) in law["at"].as_array().unwrap().iter().zip([0.7, 1.3]) {
        assert!((numbers(&at["of_energy"]).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        let (of_state, last) = (numbers(&at["of_state"]), energies.len() - 1);
        let expected = (-(energies[last] - energies[0]) / temperature).exp();
        assert!((of_state[last] / of_state[0] / expected - 1.0).abs() < 1e-9, "{at}");
    }
    let firing = parsed(here, &["memory", "boltzmann", "--draw", "firing", "--temperatures", "0.7"]);
    let (h, p) = (numbers(&firing["fields"]), numbers(&firing["at"][0]["probabilities"]));
    assert!(h.iter().zip(&p).all(|(h, p)| (p - 1.0 / (1.0 + (-2.0 * h / 0.7).exp())).abs() < 1e-12), "{firing}");
    let samples = parsed(here, &["memory", "boltzmann", "--demo", "--draw", "samples", "--temperatures", "0.1,5"]);
    let overlap = |at: usize| {
        let all = samples["at"][at]["samples"].as_array().unwrap();
        all.iter().map(|x| x["overlap"].as_f64().unwrap().abs()).sum::<f64>() / all.len() as f64
    };
    assert!(overlap(0) > 0.75 && overlap(1) < 0.5, "{} {}", overlap(0), overlap(1));
    let svg = drawn(here, &["memory", "boltzmann", "--demo", "--draw", "samples"]);
    assert!(svg.contains(">T = 0.2<") && svg.contains(">pattern 0<") && svg.contains(">mirror "), "{svg}");
    let svg = drawn(here, &["memory", "boltzmann", "--demo"]);
    assert!(svg.contains("all 4096 states") && svg.contains("probability of an energy") && svg.contains(">T = 5<"));
}

/// What a picture leaves out it says, and verdicts stand where the recalled states do.
#[test]
fn pictures_say_what_they_show() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let glyphs = |more: &[&str]| drawn(here, &[&["memory", "modern", "--demo"], more].concat());
    let (cold, hot) = (glyphs(&["--beta", "40"]), glyphs(&["--beta", "0.5"]));
    // Under ten pictures, and beside their row.
    assert!(cold.matches(">retrieved<").count() == 11 && cold.contains("10 of 10 retrieved"));
    assert!(hot.matches(">mix of all<").count() == 10 && hot.contains("10 of 10 metastable"), "{hot}");
    assert!(
        glyphs(&["--draw", "weights", "--query", "5"]).contains("the 8 patterns whose weight becomes largest, of 10")
    );
    // Rounding of single precision, and no more: a wrong beta or scale would be far beyond it.
    let attention = glyphs(&["--draw", "attention", "--beta", "0.7"]);
    let rounding =
        ["10⁻⁷", "10⁻⁸", "10⁻⁹"].map(|most| format!("all 640 numbers of 10 queries differ by less than {most}<"));
    assert!(rounding.iter().any(|said| attention.contains(said)), "{attention}");
    let soft = parsed(here, &["memory", "modern", "--draw", "soft-maximum"]);
    let gaps = soft["gaps"].as_array().unwrap();
    let expected = |gap: &Value| 2f64.ln() / gap["beta"].as_f64().unwrap();
    assert!(gaps.iter().all(|gap| (gap["above_equal"].as_f64().unwrap() - expected(gap)).abs() < 1e-12), "{soft}");
    let anneal = |more: &[&str]| {
        drawn(here, &[&["memory", "anneal", "--demo", "--sweeps", "60", "--reads", "8"], more].concat())
    };
    assert!(anneal(&["--draw", "runs"]).contains("drawn are the first 6 of 8 runs"));
    let run = anneal(&[]);
    assert!(run.contains(", the best of 8<") && run.contains(">temperature<") && run.matches(">sweep<").count() == 1);
}

/// A training that is stopped and taken up again ends where an uninterrupted one ends, bit for bit.
#[test]
fn a_machine_is_trained_taken_up_again_and_drawn_from() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let options = "--data glyphs-8 --hidden 5 --batch-size 4 --lr 0.1 --lr-end 1 --held-out 0 --seed 3";
    let options: Vec<&str> = options.split(' ').collect();
    let train = |more: &[&str]| parsed(here, &[&["train", "rbm"], &options[..], more].concat());
    let whole = train(&["-o", "whole", "--epochs", "12", "--likelihood-every", "4"]);
    train(&["-o", "parts", "--epochs", "5", "--likelihood-every", "4"]);
    let parts = train(&["-o", "parts", "--epochs", "12", "--likelihood-every", "4", "--resume"]);
    assert_eq!((&whole["log_likelihood"], &whole["updates"]), (&parts["log_likelihood"], &parts["updates"]));
    let file = |name: &str| std::fs::read(here.join(name).join("rbm.safetensors")).unwrap();
    assert!(file("whole") == file("parts"));
    let lines = std::fs::read_to_string(here.join("parts/metrics.jsonl")).unwrap();
    let epochs: Vec<u64> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, (1..=12).collect::<Vec<_>>());
    for name in ["features", "samples", "activations", "weights", "likelihood", "reconstruction", "free_energy_gap"] {
        assert!(here.join("whole").join(format!("{name}.svg")).exists(), "{name}");
    }
    train(&["-o", "drawn", "--epochs", "1", "--figures", "png"]);
    let png = std::fs::read(here.join("drawn/samples.png")).unwrap();
    assert!(png.starts_with(b"\x89PNG") && !here.join("drawn/samples.svg").exists());
    let gap = std::fs::read_to_string(here.join("whole/free_energy_gap.svg")).unwrap();
    assert!(gap.contains("a weak test") && gap.contains(">random, weak (nats)<"), "{gap}");

    let again = attractor(here, &[&["train", "rbm", "-o", "whole"], &options[..]].concat());
    assert!(again.status.code() == Some(2) && said(&again).contains("--resume"), "{}", said(&again));
    let other = [&["train", "rbm", "-o", "whole", "--resume", "--k", "3"], &options[..]].concat();
    let other = attractor(here, &other);
    assert!(other.status.code() == Some(2) && said(&other).contains("started with sampler"), "{}", said(&other));
    let bytes = file("whole");
    std::fs::write(here.join("torn.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    let torn = attractor(here, &["generate", "rbm", "torn.safetensors", "-o", "x.svg"]);
    assert!(torn.status.code() == Some(3) && said(&torn).contains("or truncated"), "{}", said(&torn));

    let dreams = parsed(here, &["generate", "rbm", "whole", "--samples", "7", "--steps", "20"]);
    let rows = dreams["values"].as_array().unwrap();
    assert!(rows.len() == 7 && rows.iter().all(|row| row.as_array().unwrap().len() == 64));
    for (more, file) in [
        (&["--complete", "glyphs-8", "--steps", "20"][..], "completed.svg"),
        (&["--complete", "glyphs-8", "--chain", "3"], "chain.svg"),
        (&["--steps", "20", "--gibbs", "--drawn"], "drawn.csv"),
        (&["--steps", "20"], "dreams.safetensors"),
    ] {
        let output = attractor(here, &[&["generate", "rbm", "whole"], more, &["-o", file]].concat());
        assert!(output.status.success() && here.join(file).exists(), "{more:?}: {}", said(&output));
    }
    let layers = drawn(here, &["generate", "rbm", "whole", "--draw", "architecture"]);
    assert!(layers.contains("64 visible, 5 hidden units") && layers.contains("connections"), "{layers}");
    let chain = drawn(here, &["generate", "rbm", "whole", "--complete", "glyphs-8", "--chain", "3"]);
    assert!(
        chain.contains(">p(h = 1 | v)<") && chain.contains(">step 3<") && chain.matches("<image").count() == 5 * 3 + 1
    );
    // The projection holds ten glyphs; zeros are wrong exactly where a glyph has ink below the middle.
    let against = ["generate", "rbm", "whole", "--complete", "glyphs-8", "--steps", "20", "--against", "hopfield"];
    let found = parsed(here, &[&against[..], &["--rule", "pseudo-inverse"]].concat());
    let wrong = |at: usize| found["against"][at]["wrong"].as_f64().unwrap();
    // Of the lower halves: lines, diagonals, frame, cross, chequers, X.
    let ink = f64::from(4 + 4 + 8 + 4 + 4 + 14 + 11 + 16 + 8);
    assert!((wrong(2) - ink / (32.0 * 10.0)).abs() < 1e-12 && wrong(1) < wrong(2), "{found}");
    let strip = drawn(here, &against);
    assert!(strip.contains(">Hopfield<") && strip.contains(">zeros<") && strip.contains("all zeros: "), "{strip}");
    let wrong = attractor(here, &["generate", "rbm", "whole", "--complete", "glyphs-5", "-o", "x.svg"]);
    assert!(said(&wrong).contains("rows of 25 numbers for a machine of 64"), "{}", said(&wrong));
}

/// What is built in: the small network, the two valleys, and the machine that learnt the digits, whose likelihood lies where
/// three ways to find it agree.
#[test]
fn what_is_built_in_answers_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let loads = parsed(here, &["memory", "capacity", "--demo", "--seeds", "3", "--cues", "5"]);
    let exact: Vec<f64> = loads.as_array().unwrap().iter().map(|x| x["exact"].as_f64().unwrap()).collect();
    assert!(exact.len() == 7 && exact[0] == 1.0 && exact[6] < 0.1, "{loads}");
    let valleys = parsed(here, &["memory", "landscape", "--demo"]);
    assert!(valleys["balls"].as_array().unwrap().len() == 3, "{valleys}");

    let found = parsed(here, &["memory", "likelihood", "--demo", "--betas", "300"]);
    let of = |way: &str, rows: &str| found[way]["log_likelihood"][rows]["mean"].as_f64().unwrap();
    assert_eq!((&found["rows"]["training"], &found["rows"]["test"]), (&1347.into(), &450.into()));
    for rows in ["training", "test"] {
        assert!(of("exact", rows) < -17.0 && of("exact", rows) > -20.0, "{found}");
        for way in ["ais", "reverse_ais"] {
            let error = found[way]["standard_error"].as_f64().unwrap();
            assert!((of(way, rows) - of("exact", rows)).abs() < 3.0 * error && error < 0.1, "{rows}, {way}: {found}");
        }
    }
    let words = said(&attractor(here, &["memory", "likelihood", "--demo", "--betas", "100"]));
    assert!(words.contains("reverse AIS") && words.contains("test: 450 rows"), "{words}");

    // A machine knows what digits look like: it takes most of the noise away.
    let noisy = ["generate", "rbm", "--demo", "--complete", "digits", "--noise", "0.25", "--against", "hopfield"];
    let found = parsed(here, &[&noisy[..], &["--samples", "100", "--steps", "100"]].concat());
    let wrong = |at: usize| found["against"][at]["wrong"].as_f64().unwrap();
    assert!(wrong(0) < 0.16 && wrong(0) < wrong(1) && wrong(3) == 0.25, "{}", found["against"]);
    let words = said(&attractor(here, &[&noisy[..], &["--samples", "10", "--steps", "50"]].concat()));
    assert!(words.contains("the noisy rows themselves: 25.0") && words.contains('█'), "{words}");
    assert!(drawn(here, &noisy).contains(">noisy<"));
    assert!(said(&attractor(here, &["generate", "rbm", "--demo", "--samples", "3", "--steps", "9"])).contains('▄'));
}

/// Persistent chains at a high rate destroy the likelihood; the alarm says so and the best machine is kept.
#[test]
fn the_alarm_fires_and_the_best_machine_is_restored_and_lines_say_how_far_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let bars: Vec<String> = (0..32u32)
        .map(|code| {
            let bit = |at: usize| (code >> (at % 4) & 1).to_string();
            let cells = (0..16).map(|cell| bit(if code < 16 { cell / 4 } else { cell % 4 }));
            cells.collect::<Vec<_>>().join(",")
        })
        .collect();
    std::fs::write(here.join("bars.csv"), bars.join("\n")).unwrap();
    let options = [
        "train",
        "rbm",
        "--data",
        "bars.csv",
        "--hidden",
        "16",
        "--batch-size",
        "32",
        "--lr",
        "0.1",
        "--sampler",
        "pcd",
        "--momentum",
        "0",
        "--weight-decay",
        "0",
        "--held-out",
        "0",
        "--epochs",
        "6000",
        "--likelihood-every",
        "100",
        "--roll-back",
        "-o",
        "rbm",
    ];
    let output = attractor(here, &[&options[..], &["--json"]].concat());
    // Without a terminal a line every few seconds says how far it is, and how long the rest takes.
    let lines = String::from_utf8_lossy(&output.stderr).into_owned();
    let told: Vec<&str> = lines.lines().filter(|line| line.starts_with("epochs: ")).collect();
    assert!(told.iter().any(|line| line.contains(" of 6000, about ") && line.ends_with(" left")), "{lines}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(found["rolled_back"] == true && found["alarm"]["drop"].as_f64().unwrap() > 0.2, "{found}");
    let best = found["best"]["log_likelihood"].as_f64().unwrap();
    assert!(best - found["log_likelihood"].as_f64().unwrap() > 0.2 && best > -6.0, "{found}");
    let file = |name: &str| std::fs::read(here.join("rbm").join(name)).unwrap();
    assert!(file("rbm.safetensors") == file("best.safetensors"));
}
