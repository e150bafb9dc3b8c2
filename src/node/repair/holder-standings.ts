// How everybody stands who holds something, by the chain: what their pieces count for follows from it.

import { toHex } from '../../base/bytes.ts';
import type { EpochRecord } from '../../base/epoch.ts';
import type { NodeId } from '../../base/ids.ts';
import { REPAIR_SURVEY_PAGE } from '../../base/limits.ts';
import type { Standing } from '../../replication/repair.ts';
import { nodeWithKey } from '../../shards/node.ts';
import { parametersOf } from '../../shards/parameters.ts';
import { standingOf, stateOf } from '../../shards/standing.ts';
import { StorageMembers } from '../../shards/storage-members.ts';
import { LoadedState, MissingRecords, Overlay } from '../../shards/view.ts';
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
  const all = [...nodes];
  for (let at = 0; at < all.length; at += REPAIR_SURVEY_PAGE) {
    const page = all.slice(at, at + REPAIR_SURVEY_PAGE);
    const known = await settle(source, new LoadedState(), (loaded) =>
      standingsIn(new Overlay(loaded), members, page),
    );
    for (const [text, standing] of known) standings.set(text, standing);
  }
  return standings;
}

function standingsIn(
  state: Overlay,
  members: StorageMembers,
  nodes: readonly (readonly [string, NodeId])[],
): readonly (readonly [string, Standing])[] {
  // What is missing of all is asked for at once.
  const missing: MissingRecords['keys'][number][] = [];
  const standings = nodes.flatMap(([text, node]) => {
    try {
      return [[text, standingIn(state, members, node)] as const];
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      missing.push(...error.keys);
      return [];
    }
  });
  if (missing.length > 0) throw new MissingRecords(missing);
  return standings;
}

function standingIn(state: Overlay, members: StorageMembers, key: NodeId): Standing {
  if (members.get(key) === undefined) return 'gone';
  const node = nodeWithKey(state, key);
  if (node === undefined) return 'gone';
  switch (stateOf(standingOf(state, node.registration), parametersOf(state).audit)) {
    case 'lost':
    case 'expelled':
      return 'lost';
    case 'suspended':
      return 'suspended';
    case 'good':
      return node.isRetired ? 'leaving' : 'healthy';
  }
}
