//! The page: well-formed, self-contained, harmless, within its size, and there whatever is missing.

mod common;

use attractor_judge::{Config, Report, Verdict, judge};
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
    assert!(page.contains(&attractor_render::text::escape(&report.conclusion.headline)));
    assert!(page.contains("What is right") && page.contains("What is wrong") && page.contains("What to look at"));
    assert!(page.contains("Attention weights are not explanations"));
    // The known heads were recognised, and the page names them.
    for (name, kind) in [("L0H0", "previous-token"), ("L1H0", "induction")] {
        let head = report.heads.iter().find(|h| format!("L{}H{}", h.layer, h.head) == name).unwrap();
        assert!(head.kinds.iter().any(|k| k == kind), "{name}: {:?}", head.kinds);
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
    let namespace = "http://www.w3.org/2000/svg";
    // Without the pictures, whose letters mean nothing.
    let rest: String = page
        .replace(namespace, "")
        .split("data:image/png;base64,")
        .enumerate()
        .fold(String::new(), |all, (i, part)| all + if i == 0 { part } else { &part[part.find('"').unwrap()..] });
    for scheme in ["http:", "https:", "//", "ftp:", "file:", "@import", "url("] {
        // The script's own comments begin with two slashes.
        let outside = rest.replace("// Sorts", "").replace("// What", "");
        assert!(
            !outside.contains(scheme),
            "{scheme}: {:?}",
            outside.find(scheme).map(|at| &outside[at.saturating_sub(60)..at + 40])
        );
    }
    for element in xml::check(&page).unwrap() {
        for name in ["src", "href"] {
            if let Some(target) = element.attribute(name) {
                assert!(target.starts_with('#') || target.starts_with("data:image/"), "{element:?}");
            }
        }
        assert!(element.attributes.iter().all(|(name, _)| !name.starts_with("on")), "{element:?}");
        assert!(!["iframe", "object", "embed", "form", "base"].contains(&element.name.as_str()));
    }
    assert!(page.contains("default-src 'none'"));
    assert_eq!(page.matches("<script").count(), 2);
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
    assert_eq!(page.matches("<script").count(), 2);
    assert_eq!(page.matches("</script").count(), 2);
    for gone in ["<img", "model</b>", "<!--", "onerror=alert(1)>\"", "\u{202E}", "\u{0}", "\u{1b}", "\u{85}"] {
        // The JSON holds the reversal mark, inertly; it is the only place.
        let json = page.find("<script type=\"application/json\"").unwrap();
        let visible = &page[..json];
        assert!(!visible.contains(gone), "{gone:?}");
    }
    assert!(page.contains("U+202E") && page.contains("U+0000"));
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
}

#[test]
fn the_json_inside_is_the_report() {
    let (report, page) = page(&two_layers(5, 24), &Options::default());
    let mark = "<script type=\"application/json\" id=\"report\">";
    let start = page.find(mark).unwrap() + mark.len();
    let text = &page[start..start + page[start..].find("</script>").unwrap()];
    let back: Report = serde_json::from_str(text).unwrap();
    assert_eq!(back, report);
}

#[test]
fn the_page_stays_within_its_size_and_says_what_it_left_out() {
    let maps = Maps::new(vec![vec![Kind::Noise; 16]; 6], 1, 160);
    let report = judge(&maps, None, &Config::default()).unwrap();
    let whole = report_html(&report, Some(&maps), &Options::default());
    assert!(!whole.contains("id=\"left-out\""));
    assert!(whole.len() > 1_200_000, "{}", whole.len());
    for max_bytes in [1_000_000, 400_000, 200_000] {
        let page = report_html(&report, Some(&maps), &Options { max_bytes, ..Options::default() });
        assert!(page.len() <= max_bytes, "{} of {max_bytes}", page.len());
        assert!(page.len() > max_bytes / 2, "{} of {max_bytes}", page.len());
        assert!(page.contains("id=\"left-out\"") && page.contains("figures of input 0"), "{max_bytes}");
        // Links to what was left out lead to where that is said.
        check_links(&page);
    }
}

#[test]
fn what_is_recognised_is_drawn_before_what_is_not() {
    let mut heads = vec![vec![Kind::Noise; 12]; 2];
    heads[1][9] = Kind::Previous;
    let maps = Maps::new(heads, 1, 128);
    let report = judge(&maps, None, &Config::default()).unwrap();
    let page = report_html(&report, Some(&maps), &Options { max_bytes: 260_000, ..Options::default() });
    assert!(page.contains("<figure id=\"L1H9\">"));
    assert!(!page.contains("<figure id=\"L0H0\">") || !page.contains("<figure id=\"L0H11\">"));
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
    let map = attractor_render::map::read(&maps, 0, 1, 0, 128).unwrap().unwrap().map;
    assert!(!map.is_forbidden(10 * 30 + 14) && map.is_forbidden(10 * 30 + 15));
}

#[test]
fn several_inputs_have_figures_of_their_own() {
    let maps = two_layers(3, 20);
    let (_, page) = page(&maps, &Options { inputs: vec![0, 2], ..Options::default() });
    xml::check(&page).unwrap();
    assert!(page.contains("<figure id=\"L1H2\">") && page.contains("<figure id=\"L1H2-input-2\">"));
    assert!(!page.contains("L1H2-input-1"));
}
