// What became of a wish to trade: done, on its way, or refused with the rule, its figure and its limit.

import { toast } from "./toast.js";

/** The sentence of a refusal, with figure and limit where there are any that it does not name itself. */
export function refusal({ sentence, figure, limit }) {
  if (figure === null || figure === undefined || sentence.includes(String(figure))) return sentence;
  return `${sentence} (${figure}${limit === null || limit === undefined ? "" : `, limit ${limit}`})`;
}

/** Tells the outcome of one or several requests; whether all of them were taken. */
export function tellOutcome(answer, well, undo = null) {
  const rows = answer.requests ?? answer.closing ?? [answer];
  const refused = rows.filter((each) => each.refusal);
  for (const each of refused) toast(`Refused: ${refusal(each.refusal)}`, { level: "bad" });
  if (refused.length < rows.length) toast(well, { undo });
  return refused.length === 0;
}
