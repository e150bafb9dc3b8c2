// How everybody stands who holds something, by the chain: what their pieces count for follows from it.

import { toHex } from '../../base/bytes.ts';
import type { EpochRecord } from '../../base/epoch.ts';
import type { NodeId } from '../../base/ids.ts';
import { REPAIR_SURVEY_PAGE } from '../../base/limits.ts';
import type { Standing } from '../../replication/repair.ts';
import { holdersFacts } from '../../shards/holders.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { StorageMembers } from '../../shards/storage-members.ts';
import { LoadedState, Overlay } from '../../shards/view.ts';
import { type RecordSource, settle } from '../chain/settle.ts';

/** By node, in hex. */
export type Standings = ReadonlyMap<string, Standing>;

/** Of these nodes and of all members. A page of them at a time is in memory. */
export async function surveyStandings(
  source: RecordSource,
  epoch: EpochRecord,
  holders: AsyncIterable<NodeId>,
): Promise<Standings> {
  const members = new StorageMembers(epoch);
  const nodes = new Map(epoch.members.map(({ node }) => [toHex(node), node]));
  for await (const node of holders) nodes.set(toHex(node), node);
  const standings = new Map<string, Standing>();
  const all = [...nodes.values()];
  for (let at = 0; at < all.length; at += REPAIR_SURVEY_PAGE) {
    const page = all.slice(at, at + REPAIR_SURVEY_PAGE);
    const known = await settle(source, new LoadedState(), (loaded) => {
      const state = new Overlay(loaded);
      return holdersFacts(state, members, parametersOf(state).audit, page);
    });
    for (const [text, { standing }] of known) standings.set(text, standing);
  }
  return standings;
}
