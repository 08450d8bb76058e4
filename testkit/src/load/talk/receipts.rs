//! `Payment.Receipts`: one call, many answers, all of them and in order.

use super::{End, Failed, Part, Script, refused, truncated};
use crate::{grpc::proto::shop::ReceiptsRequest, load::tally::Tally};

pub(super) async fn part(script: &Script, count: u32, tally: &Tally) -> Result<Part, Failed> {
    let mut client = script.payment(tally).await?;
    let interval_millis = u32::try_from(script.every.as_millis()).unwrap_or(u32::MAX);
    let call = client.receipts(ReceiptsRequest { count, interval_millis });
    let called = script.within("answered", call).await?;
    let mut receipts = called.map_err(|status| refused(&status))?.into_inner();
    let mut heard = 0;
    loop {
        let message = script.within("answered", receipts.message()).await?;
        match message.map_err(|status| refused(&status))? {
            Some(receipt) if receipt.number == heard => heard += 1,
            Some(receipt) => return Err(truncated(format!("{} for {heard}", receipt.number))),
            None if heard == count => return Ok(Part { answered: count, end: End::Ours }),
            None => return Err(truncated(format!("{heard} receipts of {count}"))),
        }
    }
}
