//! The page: well-formed, self-contained, harmless, within its size, and there whatever is missing.

mod common;

use attractor_judge::{Config, Report, Verdict, judge};
use attractor_record::Patterns;
use attractor_render::page::payload::Payload;
use attractor_render::{Options, report_html};
use common::{Kind, Maps, xml};

fn page(maps: &Maps, options: &Options) -> (Report, String) {
    let report = judge(maps, None, &Config::default()).unwrap();
    let page = report_html(&report, Some(maps), options);
    (report, page)
}

fn two_layers(inputs: usize, length: usize) -> Maps {
    Maps::new(
        vec![vec![Kind::Previous, Kind::Uniform, Kind::Sink], vec![Kind::Induction, Kind::Noise, Kind::Duplicate]],
        inputs,
        length,
    )
}

/// What stands in a JSON element of the page.
fn json<'a>(page: &'a str, id: &str) -> &'a str {
    let mark = format!("<script type=\"application/json\" id=\"{id}\">");
    let start = page.find(&mark).unwrap_or_else(|| panic!("no {id} in the page")) + mark.len();
    &page[start..start + page[start..].find("</script>").unwrap()]
}

fn payload(page: &str) -> Payload {
    serde_json::from_str(json(page, "maps")).unwrap()
}

fn check_links(page: &str) {
    let elements = xml::check(page).unwrap();
    let ids: std::collections::HashSet<&str> = elements.iter().filter_map(|e| e.attribute("id")).collect();
    let links: Vec<&str> = elements.iter().filter(|e| e.name == "a").filter_map(|e| e.attribute("href")).collect();
    assert!(links.len() > 30);
    for link in links {
        let target = link.strip_prefix('#').unwrap_or_else(|| panic!("{link} leads out of the page"));
        assert!(ids.contains(target), "{link} leads nowhere");
    }
}

#[test]
fn the_page_is_well_formed_and_every_link_leads_somewhere() {
    let (report, page) = page(&two_layers(5, 32), &Options::default());
    check_links(&page);
    let elements = xml::check(&page).unwrap();
    let ids: Vec<&str> = elements.iter().filter_map(|e| e.attribute("id")).collect();
    for head in &report.heads {
        assert!(ids.contains(&format!("L{}H{}", head.layer, head.head).as_str()));
    }
    for (number, group) in (1..).zip(&report.groups) {
        assert!(ids.contains(&format!("group-{number}").as_str()), "{}", group.title);
    }
}

#[test]
fn the_page_says_what_was_found_in_words_and_badges() {
    let (report, page) = page(&two_layers(6, 48), &Options::default());
    assert!(page.contains(&attractor_render::canvas::text::escape(&report.conclusion.headline)));
    assert!(page.contains("What is right") && page.contains("What is wrong") && page.contains("What to look at"));
    assert!(page.contains("Attention weights are not explanations"));
    // The known heads were recognised, and the page names them.
    for (name, kind) in [("L0H0", "previous-token"), ("L1H0", "induction")] {
        let head = report.heads.iter().find(|h| format!("L{}H{}", h.layer, h.head) == name).unwrap();
        assert!(head.kinds.iter().any(|k| k.as_str().trim_end_matches('?') == kind), "{name}: {:?}", head.kinds);
        let at = page.find(&format!("<tr id=\"row-{name}\">")).unwrap();
        let row = &page[at..at + page[at..].find("</tr>").unwrap()];
        assert!(row.contains(kind), "{row}");
    }
    for check in report.checks.iter().filter(|c| c.is_of_model()) {
        assert!(page.contains(&format!("<code>{}</code>", check.id)), "{}", check.id);
    }
    for verdict in [Verdict::Pass, Verdict::Skipped] {
        assert!(page.contains(&format!("badge {verdict}")));
    }
}

#[test]
fn nothing_in_the_page_can_be_fetched_and_only_the_named_script_may_run() {
    let (_, page) = page(&two_layers(1, 40), &Options::default());
    // Names of markup languages look like addresses; nothing else does.
    for scheme in ["http:", "https:", "ftp:", "file:", "ws:", "wss:"] {
        for (at, _) in page.match_indices(scheme) {
            let rest = &page[at..];
            let name = ["2000/svg", "1998/Math/MathML", "1999/xhtml"];
            let own = name.iter().any(|n| rest.starts_with(&format!("http://www.w3.org/{n}")));
            // Inside a word (a token, a name) it is none.
            let word = page[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
            assert!(own || word, "{:?}", &page[at.saturating_sub(60)..at + 40]);
        }
    }
    for way in
        ["@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "eval(", "import("]
    {
        assert!(!page.contains(way), "{way}: {:?}", page.find(way).map(|at| &page[at.saturating_sub(60)..at + 40]));
    }
    for element in xml::check(&page).unwrap() {
        for name in ["src", "href"] {
            if let Some(target) = element.attribute(name) {
                assert!(target.starts_with('#') || target.starts_with("data:image/"), "{element:?}");
            }
        }
        // The policy forbids both.
        assert!(element.attributes.iter().all(|(name, _)| !name.starts_with("on") && name != "style"), "{element:?}");
        assert!(!["iframe", "object", "embed", "form", "base"].contains(&element.name.as_str()));
    }
    assert!(page.contains("default-src 'none'; style-src 'sha256-") && page.contains("script-src 'sha256-"));
    assert!(!page.contains("unsafe"));
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("<style").count(), 1);
}

#[test]
fn a_hostile_token_stays_text() {
    let mut maps = two_layers(2, 24);
    let hostile = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><svg onload=alert(1)>",
        "\u{202E}gnp.exe",
        "\u{0}\u{1b}[31m\u{85}\u{2028}",
        "&#60;b&#62;",
        "<!--",
        "]]>",
    ];
    for input in &mut maps.tokens {
        for (token, text) in input.iter_mut().skip(1).zip(hostile.iter().cycle()) {
            token.text = text.to_string();
        }
    }
    maps.info.family = "<b>\u{202E}model</b>".into();
    let mut report = judge(&maps, None, &Config::default()).unwrap();
    // Whatever the report carries is as untrusted as the tokens.
    report.provenance.extra.insert("</script><script>x".into(), "<!-- <script> \u{2066}".into());
    report.checks[0].why = "</script><script>alert(2)</script>".into();
    report.conclusion.headline = "<h1>\u{202E}".into();
    let page = report_html(&report, Some(&maps), &Options::default());
    xml::check(&page).unwrap();
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("</script").count(), 3);
    for gone in ["<img", "model</b>", "<!--", "onerror=alert(1)>\"", "\u{202E}", "\u{0}", "\u{1b}", "\u{85}"] {
        // The JSON holds the reversal mark, inertly; it is the only place.
        let json = page.find("<script type=\"application/json\"").unwrap();
        let visible = &page[..json];
        assert!(!visible.contains(gone), "{gone:?}");
    }
    assert!(page.contains("U+202E") && page.contains("U+0000"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    // The script gets them as they are.
    assert_eq!(payload(&page).inputs[0].texts[1], hostile[0]);
    assert_eq!(payload(&page).inputs[0].texts[4], hostile[3]);
}

#[test]
fn the_json_inside_is_the_report() {
    let (report, page) = page(&two_layers(5, 24), &Options::default());
    let back: Report = serde_json::from_str(json(&page, "report")).unwrap();
    assert_eq!(back, report);
}

#[test]
fn maps_in_the_page_are_the_weights_and_links_are_exact() {
    let maps = two_layers(2, 300);
    let (report, page) = page(&maps, &Options { inputs: vec![1], side: 40, ..Options::default() });
    let payload = payload(&page);
    assert_eq!(payload.maps.len(), report.heads.len());
    for map in &payload.maps {
        assert_eq!((map.input, map.rows, map.columns, map.queries, map.keys), (1, 40, 40, 300, 300));
        let whole = maps.weights(map.layer, map.head, 1, 0..300).unwrap().unwrap();
        let step = (f64::from(map.high / map.low).ln() / 168.0).exp_m1() as f32;
        for (cell, shown) in map.weights().unwrap().into_iter().enumerate() {
            let (row, column) = (cell / 40, cell % 40);
            let side = |cell: usize| cell * 300 / 40..(cell + 1) * 300 / 40;
            let pairs = side(row).flat_map(|query| side(column).map(move |key| (query, key)));
            let top = pairs.map(|(query, key)| whole[query * 300 + key]).fold(0.0, f32::max);
            let near = if top < map.low { shown == 0.0 } else { (shown - top).abs() <= 0.51 * step * top };
            assert!(near, "L{}H{} cell {row}, {column}: {shown} for {top}", map.layer, map.head);
        }
        assert!(map.links.len() <= 32);
        let excess = |query: usize, weight: f32| weight - 1.0 / (query + 1) as f32;
        for pair in map.links.windows(2) {
            assert!(excess(pair[0].0, pair[0].2) >= excess(pair[1].0, pair[1].2));
        }
        for &(query, key, weight) in &map.links {
            assert_eq!(weight.to_bits(), whole[query * 300 + key].to_bits());
        }
        // None stands out more than the last that is kept.
        if let (32, Some(&(query, _, weight))) = (map.links.len(), map.links.last()) {
            let least = excess(query, weight);
            let beyond = whole.iter().enumerate().filter(|(i, w)| excess(i / 300, **w) > least).count();
            assert!(beyond < 32, "{beyond}");
        }
    }
    // Attention that averages has no link that stands out where rows are long.
    let uniform = payload.maps.iter().find(|m| (m.layer, m.head) == (0, 1)).unwrap();
    assert!(uniform.links.is_empty());
    let sink = payload.maps.iter().find(|m| (m.layer, m.head) == (0, 2)).unwrap();
    assert!(sink.sinks.len() == 1 && sink.sinks[0].0 == 0 && (sink.sinks[0].1 - 0.8).abs() < 0.1, "{:?}", sink.sinks);
}

#[test]
fn the_page_stays_within_its_size_and_says_what_it_left_out() {
    let maps = Maps::new(vec![vec![Kind::Noise; 16]; 6], 1, 160);
    let report = judge(&maps, None, &Config::default()).unwrap();
    let whole = report_html(&report, Some(&maps), &Options::default());
    assert!(!whole.contains("id=\"left-out\""));
    assert!(whole.len() > 1_500_000, "{}", whole.len());
    assert_eq!(payload(&whole).maps.len(), 96);
    assert!(payload(&whole).maps.iter().all(|m| m.rows == 128));
    for max_bytes in [1_200_000, 800_000, 500_000] {
        let page = report_html(&report, Some(&maps), &Options { max_bytes, ..Options::default() });
        assert!(page.len() <= max_bytes, "{} of {max_bytes}", page.len());
        assert!(page.len() > max_bytes / 2, "{} of {max_bytes}", page.len());
        assert!(page.contains("id=\"left-out\""), "{max_bytes}");
        // A coarser map of every head comes before no map of some.
        let payload = payload(&page);
        let side = payload.maps[0].rows;
        assert!(side < 128 && payload.maps.iter().all(|m| m.rows == side));
        assert!(page.contains(&format!("maps are pooled to {side} × {side} cells")));
        let without: usize = payload.without.iter().map(|w| w.heads.len()).sum();
        assert_eq!(payload.maps.len() + without, 96, "{max_bytes}");
        assert!(without == 0 || side == 32);
        // Links to what was left out lead to where that is said.
        check_links(&page);
    }
}

#[test]
fn what_is_recognised_is_drawn_before_what_is_not() {
    let mut heads = vec![vec![Kind::Noise; 24]; 4];
    heads[1][9] = Kind::Previous;
    let maps = Maps::new(heads, 1, 128);
    let report = judge(&maps, None, &Config::default()).unwrap();
    let page = report_html(&report, Some(&maps), &Options { max_bytes: 500_000, ..Options::default() });
    assert!(page.contains("id=\"figure-L1H9\""));
    let payload = payload(&page);
    assert!(payload.without.iter().any(|w| !w.heads.is_empty()));
    assert_eq!((payload.maps[0].layer, payload.maps[0].head), (1, 9));
}

#[test]
fn nothing_to_show_is_a_page_too() {
    for (heads, inputs, length) in
        [(vec![], 1, 4), (vec![vec![]], 1, 4), (vec![vec![Kind::Uniform]], 1, 1), (vec![vec![Kind::Nan; 2]], 5, 24)]
    {
        let maps = Maps::new(heads, inputs, length);
        let (report, page) = page(&maps, &Options::default());
        xml::check(&page).unwrap();
        assert!(report.heads.len() == maps.heads.iter().map(Vec::len).sum::<usize>());
        // A report alone, and inputs that are not there.
        xml::check(&report_html(&report, None, &Options::default())).unwrap();
        let none = Options { inputs: vec![99], ..Options::default() };
        assert!(report_html(&report, Some(&maps), &none).contains("There are no maps to show"));
    }
}

#[test]
fn a_leak_is_said_first_and_drawn_where_it_is() {
    let maps = Maps::new(vec![vec![Kind::Previous, Kind::Leak]], 5, 30);
    let (report, page) = page(&maps, &Options::default());
    xml::check(&page).unwrap();
    assert!(!report.is_ok());
    let wrong = &page[page.find("What is wrong").unwrap()..page.find("What to look at").unwrap()];
    assert!(wrong.contains("mask.causal") && wrong.contains("L0H1"), "{wrong}");
    let row = &page[page.find("<tr id=\"row-L0H1\">").unwrap()..];
    assert!(row[..row.find("</tr>").unwrap()].contains("fail, "));
    let map = attractor_render::maps::map::read(&maps, 0, 1, 0, 128).unwrap().unwrap().map;
    assert!(!map.is_forbidden(10 * 30 + 14) && map.is_forbidden(10 * 30 + 15));
}

#[test]
fn several_inputs_have_figures_of_their_own() {
    let maps = two_layers(3, 20);
    let (_, page) = page(&maps, &Options { inputs: vec![0, 2], ..Options::default() });
    xml::check(&page).unwrap();
    assert!(page.contains("id=\"L1H2\"") && page.contains("id=\"L1H2-input-2\""));
    assert!(!page.contains("L1H2-input-1"));
    let payload = payload(&page);
    assert_eq!(payload.inputs.iter().map(|i| i.input).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(payload.maps.len(), 12);
}

/// The script shows tokens too; its own tests hold it to the same cases.
#[test]
fn labels_are_those_that_the_script_is_held_to() {
    #[derive(serde::Deserialize)]
    struct Case {
        text: String,
        limit: usize,
        label: String,
    }
    let cases: Vec<Case> = serde_json::from_str(include_str!("text_cases.json")).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        assert_eq!(attractor_render::canvas::text::label(&case.text, case.limit), case.label, "{:?}", case.text);
    }
}

#[test]
fn maps_and_ablations_come_first_and_what_passed_is_folded() {
    let maps = Maps::new(vec![vec![Kind::Previous, Kind::Uniform]], 5, 30);
    let (report, page) = page(&maps, &Options::default());
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("no {what}"));
    let order = [
        "id=\"summary\"",
        "id=\"heads\"",
        "id=\"ablations\"",
        "id=\"group-9\"",
        "id=\"figures\"",
        "id=\"groups\"",
        "id=\"group-1\"",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    // A fold of passed checks holds no other fold.
    let unfolded = |id: &str| {
        let before = &page[..at(&format!("id=\"{id}\""))];
        before.rfind("<details class=\"passed\"") <= before.rfind("</details>")
    };
    let mut folded = 0;
    for check in report.checks.iter().filter(|check| check.is_of_model() && check.group != 9) {
        let id = format!("check-{}-{}", check.id.as_str().replace('.', "-"), check.place());
        let seen = matches!(check.mark(), attractor_judge::Mark::Verdict(Verdict::Fail | Verdict::Warn));
        assert_eq!(unfolded(&id), seen, "{id}");
        folded += usize::from(!seen);
    }
    assert!(folded > 5, "{folded}");
}

#[test]
fn what_was_done_to_read_the_model_stands_in_the_page() {
    let maps = Maps::new(vec![vec![Kind::Previous]], 5, 30);
    let (mut report, page) = page(&maps, &Options::default());
    assert!(!page.contains("How the model was read"));
    report.provenance.model.remarks =
        vec!["tensors <left out>: h.0.extra".to_string(), "lm_head is its own".to_string()];
    let told = report_html(&report, Some(&maps), &Options::default());
    xml::check(&told).unwrap();
    let header = &told[..told.find("</header>").unwrap()];
    assert!(header.contains("How the model was read") && header.contains("tensors &lt;left out&gt;: h.0.extra"));
    assert!(header.contains("lm_head is its own"));
}
