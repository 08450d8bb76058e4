//! What a proxy counts, read as Prometheus would read it.

use anyhow::{Context as _, Result, ensure};

use crate::Namespace;

/// Names of labels with the values that they must have.
pub type Labels<'a> = [(&'a str, &'a str)];

/// One answer of a metrics page.
#[derive(Clone, Debug)]
pub struct Scrape(String);

impl Namespace {
    /// What the proxy of the pod with this label counts, asked by another pod.
    ///
    /// # Errors
    /// If there is no such pod, or it does not answer.
    pub async fn scrape(&self, from: &str, selector: &str) -> Result<Scrape> {
        // On the heap: many hold it, and it is big.
        Box::pin(self.metrics(from, selector)).await.map(Scrape)
    }
}

impl Scrape {
    /// What the proxy of a pod counts, asked by the API server: for those who look often.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn through_the_api(shop: &Namespace, pod: &str) -> Result<Self> {
        let namespace = &shop.name;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:15020/proxy/metrics");
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(Self(shop.world().client.request_text(request).await?))
    }

    /// What all series of this name with these labels, and any others, add up to.
    ///
    /// # Errors
    /// If a value is no number.
    pub fn sum(&self, name: &str, labels: &Labels<'_>) -> Result<f64> {
        let series = self.series(name).filter(|line| has_all(line, labels));
        series.map(value).sum()
    }

    /// That those series add up to exactly this.
    ///
    /// # Errors
    /// If they do not, with all series of that name.
    pub fn expect(&self, name: &str, labels: &Labels<'_>, expected: u32) -> Result<()> {
        let sum = self.sum(name, labels)?;
        let all = || self.series(name).collect::<Vec<_>>();
        let equal = (sum - f64::from(expected)).abs() < f64::EPSILON;
        ensure!(equal, "{name} with {labels:?} is {sum} and not {expected} in {:#?}", all());
        Ok(())
    }

    /// That those series count something.
    ///
    /// # Errors
    /// If they do not, with all series of that name.
    pub fn expect_some(&self, name: &str, labels: &Labels<'_>) -> Result<()> {
        let all = || self.series(name).collect::<Vec<_>>();
        ensure!(self.sum(name, labels)? > 0.0, "no {name} with {labels:?} in {:#?}", all());
        Ok(())
    }

    fn series<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = move |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        self.0.lines().filter(of_name)
    }
}

fn has_all(line: &str, labels: &Labels<'_>) -> bool {
    labels.iter().all(|(name, value)| {
        let label = format!("{name}=\"{value}\"");
        // Not the end of a longer name: `version` is no `destination_version`.
        line.match_indices(&label)
            .any(|(at, _)| line.get(..at).is_some_and(|before| before.ends_with(['{', ','])))
    })
}

fn value(line: &str) -> Result<f64> {
    let value = line.rsplit(' ').next().with_context(|| line.to_owned())?;
    value.parse().with_context(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# TYPE a counter
a_total{x=\"1\",from_x=\"2\"} 3
a_total{x=\"2\",from_x=\"1\"} 4
a_total_more{x=\"1\"} 5
b 6
";

    fn check(name: &str, labels: &Labels<'_>, expected: u32) {
        Scrape(PAGE.to_owned()).expect(name, labels, expected).unwrap();
    }

    #[test]
    fn series_are_added_up_by_their_whole_names_and_labels() {
        check("a_total", &[], 7);
        check("a_total", &[("x", "1")], 3);
        check("a_total", &[("from_x", "1")], 4);
        check("a_total", &[("x", "1"), ("from_x", "1")], 0);
        check("b", &[], 6);
        check("c", &[], 0);
    }
}
