//! Tables as Parquet files.

use std::sync::Arc;

use attractor::{Error, Result};
use attractor_record::table::{Column, Table};
use parquet::basic::Compression;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

/// A Parquet file of one row group, Snappy-compressed; NaN becomes null.
///
/// # Errors
/// `is_usage` for a column name that Parquet's schema language cannot hold.
pub fn parquet(table: &Table) -> Result<Vec<u8>> {
    let failed = |error: parquet::errors::ParquetError| Error::usage(format!("table: {error}")).because(error);
    let mut schema = "message table {\n".to_string();
    for (name, column) in table.columns() {
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Error::usage(format!("table: the column name {name:?} cannot be written to Parquet")));
        }
        schema += &match column {
            Column::Whole(_) => format!("  required int64 {name};\n"),
            Column::Number(_) => format!("  optional double {name};\n"),
            Column::MaybeWhole(_) => format!("  optional int64 {name};\n"),
            Column::Text(_) => format!("  required binary {name} (UTF8);\n"),
        };
    }
    let schema = Arc::new(parse_message_type(&(schema + "}")).map_err(failed)?);
    let properties = Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).map_err(failed)?;
    let mut group = writer.next_row_group().map_err(failed)?;
    for (name, column) in table.columns() {
        let mut open = group.next_column().map_err(failed)?.ok_or_else(|| Error::usage("table: no column"))?;
        match (open.untyped(), column) {
            (ColumnWriter::Int64ColumnWriter(writer), Column::Whole(x)) => writer.write_batch(x, None, None),
            (ColumnWriter::Int64ColumnWriter(writer), Column::MaybeWhole(x)) => {
                let there: Vec<i64> = x.iter().copied().flatten().collect();
                let levels: Vec<i16> = x.iter().map(|x| i16::from(x.is_some())).collect();
                writer.write_batch(&there, Some(&levels), None)
            }
            (ColumnWriter::DoubleColumnWriter(writer), Column::Number(x)) => {
                let there: Vec<f64> = x.iter().copied().filter(|x| !x.is_nan()).collect();
                let levels: Vec<i16> = x.iter().map(|x| i16::from(!x.is_nan())).collect();
                writer.write_batch(&there, Some(&levels), None)
            }
            (ColumnWriter::ByteArrayColumnWriter(writer), Column::Text(x)) => {
                let bytes: Vec<ByteArray> = x.iter().map(|x| ByteArray::from(x.as_str())).collect();
                writer.write_batch(&bytes, None, None)
            }
            _ => return Err(Error::usage(format!("table: the column {name:?} changed its type"))),
        }
        .map_err(failed)?;
        open.close().map_err(failed)?;
    }
    group.close().map_err(failed)?;
    writer.into_inner().map_err(failed)
}

#[cfg(test)]
mod tests {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::RowAccessor;

    use super::*;

    fn table() -> Table {
        let columns = [
            ("layer", Column::Whole(vec![0, 7])),
            ("entropy", Column::Number(vec![1.25, f64::NAN])),
            ("name", Column::Text(vec!["a,\"b\"".into(), "ø".into()])),
        ];
        Table::new(columns.map(|(name, column)| (name.to_string(), column)).into()).unwrap()
    }

    #[test]
    fn parquet_is_read_back_by_the_reader() {
        let file = bytes_of(parquet(&table()).unwrap());
        let reader = SerializedFileReader::new(file).unwrap();
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].get_long(0).unwrap(), rows[0].get_double(1).unwrap()), (0, 1.25));
        assert!(rows[1].get_double(1).is_err(), "null");
        assert_eq!(rows[1].get_string(2).unwrap(), "ø");
    }

    fn bytes_of(bytes: Vec<u8>) -> std::fs::File {
        use std::io::{Seek, Write};
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        file
    }
}
