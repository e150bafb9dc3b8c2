// What auditors pay who signed an anchor that is shown to be false: each a share of its stake, once for an anchor, whatever else turns out false in it.
// Whoever showed it gets a part, as of every slash that somebody reported; the rest is gone.

import type { AuditRound } from './audit-rounds.ts';
import { type Amounts, minusAmounts, NOTHING } from './amounts.ts';
import { anchorOf, putAnchor } from './anchors.ts';
import { bondsKey, sumOf, unbondingKey } from './bonds.ts';
import { nodeOf, nodeStateKey, type Registration } from './node.ts';
import { MILLION, parametersOf } from './parameters.ts';
import { readAll } from './read-all.ts';
import { reporterShare } from './slashing.ts';
import { slashStake } from './stake-changes.ts';
import { burn } from './supply.ts';
import { entriesOf } from './validator-sets.ts';
import type { Overlay } from './view.ts';

/**
 * Charges those of `auditors`, by index, who signed the group's anchor and have not paid for it. Gives the part of whoever showed it; undefined
 * when there was nobody to charge.
 */
export function chargeAuditors(
  state: Overlay,
  round: AuditRound,
  group: number,
  auditors: readonly number[],
): Amounts | undefined {
  const anchor = anchorOf(state, round.round, group);
  const guilty = auditors.filter(
    (auditor) => anchor?.auditors.includes(auditor) === true && !anchor.charged.includes(auditor),
  );
  if (anchor === undefined || guilty.length === 0) return undefined;
  const taken = slashAll(state, round, guilty);
  const charged = [...anchor.charged, ...guilty].sort((a, b) => a - b);
  putAnchor(state, round.round, group, { ...anchor, charged });
  const reward = reporterShare(parametersOf(state), taken);
  burn(state, minusAmounts(taken, reward) ?? NOTHING);
  return reward;
}

/** A set that is forgotten answers for nothing any more. */
function slashAll(state: Overlay, { epoch }: AuditRound, auditors: readonly number[]): Amounts {
  const set = entriesOf(state, epoch) ?? [];
  const registrations = auditors.flatMap((auditor): readonly Registration[] => {
    const entry = set[auditor];
    return entry === undefined ? [] : [entry.registration];
  });
  readAll(
    state,
    registrations.flatMap((each) => [nodeStateKey(each), bondsKey(each), unbondingKey(each)]),
  );
  const share = BigInt(parametersOf(state).audit.liePerMillion);
  return sumOf(
    registrations.map((registration) => {
      const node = nodeOf(state, registration);
      return node === undefined ? NOTHING : slashStake(state, node, epoch, share, BigInt(MILLION));
    }),
  );
}
