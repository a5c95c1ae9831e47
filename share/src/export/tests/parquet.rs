use ::parquet::basic::{Compression, Encoding, LogicalType, TimeUnit};
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::record::{Row, RowAccessor};

use super::*;
use crate::export::pages::Rows;
use crate::export::parquet::Parquet;
use crate::export::run::Encode;

fn read(file: Vec<u8>) -> SerializedFileReader<::bytes::Bytes> {
    SerializedFileReader::new(file.into()).expect("a Parquet file")
}

fn rows(reader: &SerializedFileReader<::bytes::Bytes>) -> Vec<Row> {
    let rows = reader.get_row_iter(None).expect("rows");
    rows.map(|r| r.expect("a row")).collect()
}

#[tokio::test]
async fn parquet_reads_back_as_what_was_measured() {
    let store = store().with("gone-9", "humidity", &[(2, 61.0)]);
    let expect = kept(&store);
    let answer = export(&sources(store), &query("format=parquet")).await;
    assert_eq!(header(&answer, "content-type"), Some("application/vnd.apache.parquet"));
    let (file, end) = bytes(answer.body).await;
    end.expect("ends well");
    let reader = read(file);
    let rows = rows(&reader);
    assert_eq!(rows.len(), expect.len());
    for (row, (key, p)) in rows.iter().zip(&expect) {
        assert_eq!(row.get_string(0).expect("text"), &*key.device);
        assert_eq!(row.get_string(6).expect("text"), &*key.property);
        assert_eq!(row.get_timestamp_millis(8).expect("time"), p.time.0);
        assert_eq!(row.get_double(9).expect("number").to_bits(), p.value.to_bits());
        assert_eq!(quality(row.get_string(10).expect("text")), p.quality);
    }
    let texts = |n: usize| [1, 2, 3, 7].map(|i| rows[n].get_string(i).expect("text").as_str());
    assert_eq!(texts(0), ["Trạm 1", "air", "hai_chau", "µg/m³"]);
    let place = [4, 5].map(|i| rows[0].get_double(i).expect("degrees"));
    assert_eq!(place, [16.05, 108.2]);
    let gone = rows.len() - 1;
    assert_eq!(texts(gone), ["gone-9", "", "", ""]);
    assert!(rows[gone].get_double(4).is_err(), "no place");
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let time = LogicalType::timestamp(true, TimeUnit::MILLIS);
    assert_eq!(schema.column(8).logical_type_ref(), Some(&time));
    let group = reader.metadata().row_group(0);
    assert!(matches!(group.column(0).compression(), Compression::ZSTD(_)));
    assert!(group.column(0).encodings().any(|e| e == Encoding::RLE_DICTIONARY));
}

#[tokio::test]
async fn windows_have_numbers_or_nothing() {
    let mut store = store();
    store.put("new-1", "pm25", vec![point(0, 1.0, Quality::Bad)]);
    let answer = export(&sources(store), &query("format=parquet&step=60000&property=pm25")).await;
    let reader = read(bytes(answer.body).await.0);
    let rows = rows(&reader);
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let names: Vec<String> = (9..17).map(|i| schema.column(i).name().to_owned()).collect();
    assert_eq!(names, ["min", "max", "mean", "sum", "count", "last", "bad", "quality"]);
    assert_eq!(rows[0].get_double(9).expect("min"), 35.1);
    assert_eq!((rows[0].get_long(13).expect("count"), rows[0].get_long(15).expect("bad")), (2, 1));
    let empty = &rows[2];
    assert!(empty.get_double(9).is_err() && empty.get_double(14).is_err());
    assert_eq!((empty.get_long(13).expect("count"), empty.get_long(15).expect("bad")), (0, 1));
}

#[test]
fn row_groups_are_bounded_and_leave_memory_as_they_are_full() {
    let facts = |id: &str| {
        Arc::new(crate::export::select::Facts {
            key: key(id, "pm25"),
            name: id.into(),
            service: "air".into(),
            area: String::new(),
            place: None,
            unit: String::new(),
        })
    };
    let mut encoder = Parquet::new(Vec::new(), 1_000);
    let mut file = Vec::new();
    encoder.begin(&mut file).expect("begins");
    let (a, b) = (facts("a"), facts("b"));
    for n in 0..100 {
        let points: Vec<Point> =
            (0..77).map(|i| point(n * 77 + i, (n * i) as f64, Quality::Good)).collect();
        let mark = ioc_model::ScanMark { time: T0, skip: 0 };
        let mut piece = Vec::new();
        let facts = if n % 3 == 0 { &a } else { &b };
        encoder.rows(facts, Rows::Points(mark, points), &mut piece).expect("takes");
        assert!(piece.is_empty() == ((n + 1) % 13 != 0), "a group of 13 times 77 is full at {n}");
        file.extend(piece);
    }
    encoder.end(&mut file).expect("ends");
    let reader = read(file);
    assert_eq!(reader.metadata().num_row_groups(), 8);
    let rows = rows(&reader);
    assert_eq!(rows.len(), 7_700);
    for (i, row) in rows.iter().enumerate() {
        let (n, at) = (i / 77, i % 77);
        assert_eq!(row.get_timestamp_millis(8).expect("time"), T0.0 + i as i64);
        assert_eq!(row.get_double(9).expect("number"), (n * at) as f64);
        assert_eq!(row.get_string(0).expect("text"), if n % 3 == 0 { "a" } else { "b" });
    }
}
