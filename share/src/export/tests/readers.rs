use std::path::Path;
use std::process::Command;

use super::*;

/// Python with DuckDB and pyarrow, made once per machine.
fn python() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/export/venv.sh");
    let made = Command::new(script).output().expect("the script runs");
    let trouble = String::from_utf8_lossy(&made.stderr).into_owned();
    assert!(made.status.success(), "{trouble}");
    String::from_utf8(made.stdout).expect("a path").trim().to_owned()
}

#[tokio::test]
async fn duckdb_and_pyarrow_read_what_was_measured() {
    let mut store = store();
    let many: Vec<(i64, f64)> =
        (0..20_000).map(|n| (n * 7, (n as f64 / 9.0).sin() * 1e3)).collect();
    store = store.with("air-2", "pm25", &many).with("Trạm \"3\", =x", "pm25", &[(0, -1e-300)]);
    let rows = |(k, p): (SeriesKey, Point)| {
        let word = crate::export::cells::quality(p.quality);
        serde_json::json!([&*k.device, &*k.property, p.time.0, p.value, word])
    };
    let expected: Vec<_> = kept(&store).into_iter().map(rows).collect();
    let sources = sources(store);
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str| dir.path().join(name);
    for format in ["parquet", "csv"] {
        let answer = export(&sources, &query(&format!("format={format}"))).await;
        let (content, end) = bytes(answer.body).await;
        end.expect("ends well");
        std::fs::write(file(format), content).expect("written");
    }
    let json = serde_json::to_vec(&expected).expect("JSON");
    std::fs::write(file("expected.json"), json).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/export/read.py");
    let mut command = Command::new(python());
    command.arg(script).args([file("parquet"), file("csv"), file("expected.json")]);
    let done = command.output().expect("Python runs");
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
}
