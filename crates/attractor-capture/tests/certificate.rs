//! What a certificate passes and what it catches.

mod common;

use attractor_capture::certificate::{CaptureCheck, Grade};
use attractor_capture::{Run, RunOptions, RunWriter};
use attractor_record::Captured;
use common::{info, input};

fn captured() -> Captured {
    let mut captured = Captured { info: info(), inputs: vec![input(5, 0, 60), input(5, 1, 33)] };
    for layer in captured.inputs.iter_mut().flat_map(|input| &mut input.layers) {
        layer.facts.projection_error = Some(2e-6);
    }
    captured
}

#[test]
fn a_faithful_capture_passes_everywhere() {
    let certificate = attractor_capture::Certificate::of_captured(&captured()).unwrap();
    assert_eq!(certificate.verdict(), Grade::Pass, "{certificate:#?}");
    assert_eq!(certificate.entries.len(), 2 * 9);
    let deficit = certificate.entry(3, CaptureCheck::Deficit).unwrap();
    assert!(deficit.why.to_string().contains("learned sink takes") && deficit.value.unwrap() > 0.01, "{deficit:?}");
    let json = serde_json::to_value(&certificate).unwrap();
    for (entry, said) in certificate.entries.iter().zip(json["entries"].as_array().unwrap()) {
        assert_eq!(
            (said["name"].as_str(), said["why"].as_str()),
            (Some(&*entry.name.to_string()), Some(&*entry.why.to_string()))
        );
        assert_eq!(
            (said["layer"].as_u64(), said["value"].as_f64(), &said["verdict"]),
            (Some(entry.layer as u64), entry.value, &"pass".into())
        );
    }
}

#[test]
fn every_fault_is_caught_by_its_own_check() {
    type Fault = fn(&mut Captured);
    let cases: [(CaptureCheck, Grade, Fault); 9] = [
        (CaptureCheck::Output, Grade::Fail, |c| c.inputs[1].layers[0].facts.output_error = Some(0.01)),
        (CaptureCheck::Output, Grade::Warn, |c| c.inputs[1].layers[0].facts.output_error = Some(1e-4)),
        (CaptureCheck::Projection, Grade::Fail, |c| c.inputs[1].layers[0].facts.projection_error = Some(f64::NAN)),
        (CaptureCheck::Evaluation, Grade::Fail, |c| c.inputs[0].layers[0].facts.evaluation_mode = Some(false)),
        (CaptureCheck::Finite, Grade::NotTestable, |c| c.inputs[0].layers[0].q[2] = f32::NAN),
        (CaptureCheck::RowSums, Grade::Fail, |c| c.inputs[0].layers[0].statistics[1].row_sum_error[7] = -2e-5),
        (CaptureCheck::Support, Grade::Fail, |c| c.inputs[0].layers[0].statistics[1].forbidden_mass[7] = 0.1),
        (CaptureCheck::Entropy, Grade::Fail, |c| c.inputs[0].layers[0].statistics[4].entropy[40] += 0.7),
        (CaptureCheck::Peak, Grade::Fail, |c| c.inputs[0].layers[0].statistics[4].peak[40] *= 0.1),
    ];
    for (name, verdict, fault) in cases {
        let mut captured = captured();
        if name != CaptureCheck::Finite {
            for input in 0..2 {
                for at in 0..2 {
                    let layer = captured.inputs[input].layers[at].layer;
                    let all = |head| attractor_record::Patterns::statistics(&captured, layer, head, input);
                    let statistics = (0..common::HEADS).map(|head| all(head).unwrap().unwrap()).collect();
                    captured.inputs[input].layers[at].statistics = statistics;
                }
            }
        }
        fault(&mut captured);
        let certificate = attractor_capture::Certificate::of_captured(&captured).unwrap();
        for entry in &certificate.entries {
            // Rows that do not sum to one have a deficit that nothing explains.
            let consequence = (name, entry.name) == (CaptureCheck::RowSums, CaptureCheck::Deficit);
            let caught = entry.layer == 0 && (entry.name == name || consequence);
            let expected = if caught { verdict } else { Grade::Pass };
            assert_eq!(entry.verdict, expected, "{name}: {entry:?}");
        }
    }
}

#[test]
fn a_run_says_what_storing_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut captured = captured();
    let write = |name: &str, options: &RunOptions, captured: &Captured| {
        let path = folder.path().join(name);
        let mut writer = RunWriter::create(&path, options, &captured.info).unwrap();
        captured.inputs.iter().for_each(|input| writer.append(input).unwrap());
        Run::open(path).unwrap().certificate().unwrap()
    };
    let f16 = RunOptions::default();
    let f32 = RunOptions { dtype: "f32".parse().unwrap(), ..RunOptions::default() };
    let (half, single) = (write("a", &f16, &captured), write("b", &f32, &captured));
    assert_eq!(half.verdict(), Grade::Pass, "{half:#?}");
    let stored = |c: &attractor_capture::certificate::Certificate| c.entry(0, CaptureCheck::Stored).unwrap().clone();
    assert!(stored(&half).value.unwrap() > 1e-4 && stored(&single).value.is_none_or(|value| value < 2e-6));
    // Scores in the thousands: f16 is not enough, and the certificate says what to do.
    captured.inputs[0].layers[0].q.iter_mut().for_each(|q| *q *= 2000.0);
    let entry = stored(&write("c", &f16, &captured));
    assert!(entry.verdict == Grade::Fail && entry.why.to_string().contains("dtype f32"), "{entry:?}");
    let entry = stored(&write("e", &f32, &captured));
    assert!(entry.verdict == Grade::Pass, "{entry:?}");
    let stats = write("d", &RunOptions { keep: "stats".parse().unwrap(), ..RunOptions::default() }, &captured);
    assert_eq!(stored(&stats).verdict, Grade::NotTestable);
}
