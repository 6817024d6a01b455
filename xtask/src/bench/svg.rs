//! Plots: bars with what they are, readable on light and on dark pages. A picture of this kind needs no crate.

use super::sums::short;

/// A bar from 0 to the median, with a mark at the least of what was measured.
#[derive(Clone, Debug)]
pub struct Bar {
    /// What it is of.
    pub name: String,
    /// Its length.
    pub median: f64,
    /// The mark; NaN: none.
    pub least: f64,
    /// Ours: in another colour.
    pub ours: bool,
}

/// Bars that are compared with each other.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they have in common.
    pub name: String,
    /// The bars.
    pub bars: Vec<Bar>,
    /// A line across them, where something is wanted.
    pub goal: Option<f64>,
}

const WIDTH: f64 = 760.0;
/// Where bars begin, and how long the longest is.
const LEFT: f64 = 250.0;
const LONGEST: f64 = 340.0;
/// Of a bar with its gap, and of a group's name.
const STEP: f64 = 18.0;
const NAME: f64 = 26.0;
const HEAD: f64 = 34.0;

/// Colours for both kinds of pages; nothing is told by a colour alone.
const STYLE: &str = "text{font:12px sans-serif;fill:#222}.t{font-weight:bold;font-size:14px}.g{font-weight:bold}\
    .n{text-anchor:end}.o{fill:#0969da}.b{fill:#8c959f}.m{stroke:#222;stroke-width:2}\
    .w{stroke:#bc4c00;stroke-width:2.5}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.o{fill:#4493f8}.b{fill:#6e7681}.m{stroke:#e6edf3}\
    .w{stroke:#f0883e}}";

/// The picture. Each group has a scale of its own: what is compared is within one.
pub fn bars(title: &str, unit: &str, groups: &[Group]) -> String {
    let mut body = format!("<text class=\"t\" x=\"8\" y=\"20\">{}</text>\n", escaped(title));
    let mut y = HEAD;
    for group in groups {
        y = one_group(&mut body, group, unit, y);
    }
    let height = y + 8.0;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n{body}</svg>\n",
        escaped(title)
    )
}

fn one_group(body: &mut String, group: &Group, unit: &str, top: f64) -> f64 {
    let known = |v: &f64| !v.is_nan();
    let all = group.bars.iter().map(|b| b.median).chain(group.goal).filter(known);
    let most = all.fold(f64::MIN_POSITIVE, f64::max);
    let length = |v: f64| (v / most * LONGEST).clamp(0.0, LONGEST);
    *body += &format!("<text class=\"g\" x=\"8\" y=\"{:.1}\">{}</text>\n", top + 16.0, escaped(&group.name));
    let first = top + NAME;
    let mut y = first;
    for bar in group.bars.iter().filter(|b| known(&b.median)) {
        let (class, base) = (if bar.ours { "o" } else { "b" }, y + 11.0);
        *body += &format!(
            "<text class=\"n\" x=\"{}\" y=\"{base:.1}\">{}</text>\n",
            LEFT - 8.0,
            escaped(&bar.name)
        );
        let long = length(bar.median);
        *body += &format!(
            "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"13\"/>\n"
        );
        if known(&bar.least) {
            *body += &line("m", LEFT + length(bar.least), y - 1.0, y + 14.0);
        }
        let value = match bar.least {
            least if known(&least) => format!("{} {unit} (least {})", short(bar.median), short(least)),
            _ => format!("{} {unit}", short(bar.median)),
        };
        // Beside the bar, and past the line of the goal where that would cross it.
        *body +=
            &format!("<text x=\"{:.1}\" y=\"{base:.1}\">{}</text>\n", LEFT + long + 6.0, escaped(&value));
        y += STEP;
    }
    if let Some(goal) = group.goal {
        *body += &line("w", LEFT + length(goal), first - 4.0, y);
        *body += &format!(
            "<text x=\"{:.1}\" y=\"{:.1}\">goal {} {unit}</text>\n",
            (LEFT + length(goal) + 4.0).min(WIDTH - 110.0),
            top + 16.0,
            short(goal)
        );
    }
    y + 6.0
}

fn line(class: &str, x: f64, from: f64, to: f64) -> String {
    format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{from:.1}\" y2=\"{to:.1}\"/>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_within_the_picture() {
        let bar = |name: &str, median, least| Bar { name: name.into(), median, least, ours: name == "a<b" };
        let group = Group {
            name: "ten & more".into(),
            bars: vec![bar("a<b", 4.0, 3.0), bar("c", 2.0, f64::NAN), bar("none", f64::NAN, 1.0)],
            goal: Some(8.0),
        };
        let picture = bars("A title", "ms", &[group]);
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
        assert!(
            picture.contains("a&lt;b") && picture.contains("ten &amp; more") && !picture.contains("none")
        );
        assert!(picture.contains("4.00 ms (least 3.00)") && picture.contains("goal 8.00 ms"));
        assert!(picture.contains("width=\"170.0\"") && picture.contains("prefers-color-scheme:dark"));
        assert!(!picture.contains("NaN"));
    }
}
