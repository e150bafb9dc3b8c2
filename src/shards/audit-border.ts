// What audits come to at the border of an epoch: the capacity that they have proven is part of the stake of the sets to come, and a node that has
// been silent for too long is out and pays for it.

import type { Epoch } from '../base/ids.ts';
import { bondsKey, unbondingKey } from './bonds.ts';
import { nodeOf, type NodeRecord, putNode } from './node.ts';
import { allRegistrations } from './node-index.ts';
import { MILLION, type Parameters } from './parameters.ts';
import { readAll } from './read-all.ts';
import { slashStake } from './stake-changes.ts';
import { provenGib, standingKey, standingOf, stateOf } from './standing.ts';
import { burn } from './supply.ts';
import type { Overlay } from './view.ts';

/** Gives who is out: they are to be retired. Throws MissingRecords. */
export function judgeAudits(state: Overlay, parameters: Parameters, epoch: Epoch): readonly NodeRecord[] {
  const registrations = allRegistrations(state);
  readAll(state, registrations.map(standingKey));
  const expelled: NodeRecord[] = [];
  for (const registration of registrations) {
    const standing = standingOf(state, registration);
    const node = nodeOf(state, registration)!;
    const gib = provenGib(standing, parameters.audit);
    const proven: NodeRecord = gib === node.provenGib ? node : { ...node, provenGib: gib };
    if (proven !== node) putNode(state, proven);
    if (stateOf(standing, parameters.audit) === 'expelled') expelled.push(proven);
  }
  readAll(
    state,
    expelled.flatMap(({ registration }) => [bondsKey(registration), unbondingKey(registration)]),
  );
  const share = BigInt(parameters.audit.expelPerMillion);
  for (const node of expelled) burn(state, slashStake(state, node, epoch, share, BigInt(MILLION)));
  return expelled;
}
