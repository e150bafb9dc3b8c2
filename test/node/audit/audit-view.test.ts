// What a node says of its audits: sums of what it holds, and of each round what concerns it.

import { expect, test } from 'vitest';
import { toUtf8 } from '../../../src/base/bytes.ts';
import type { Digest, Epoch, NodeId, ObjectId } from '../../../src/base/ids.ts';
import { auditView } from '../../../src/node/audit/audit-view.ts';
import type { WatchedRound } from '../../../src/node/audit/round-watcher.ts';
import { placeOf } from '../../../src/proofs/place.ts';
import { nativeSha256 } from '../../../src/runtime/crypto.ts';
import { DEFAULT_AUDIT } from '../../../src/shards/audit-rules.ts';

const digestOf = (text: string): Uint8Array => nativeSha256(toUtf8(text));
const self = digestOf('self') as NodeId;
const other = digestOf('other') as NodeId;
const asked = [{ place: placeOf(digestOf('object') as ObjectId, 3, 1), leafIndex: 9 }];

function watched(number: number, nodes: readonly NodeId[]): WatchedRound {
  const round = {
    round: number,
    epoch: 0 as Epoch,
    height: 10 * number,
    timeMs: number,
    seed: digestOf('seed') as Digest,
    groups: 2,
  };
  const group = { round, group: 1, nodes, seats: [2, 0, 1] };
  const own = { node: self, asked, classes: [] };
  return {
    round,
    rules: DEFAULT_AUDIT,
    validators: [],
    own,
    ownGroup: group,
    groups: [group],
    drawn: new Map(),
  };
}

test('pieces and leaves are those of all size classes', async () => {
  const holdings = {
    classes: async () => [
      { count: 2, weight: 3 },
      { count: 0, weight: 0 },
      { count: 1, weight: 40 },
    ],
  };
  expect(await auditView({ rounds: [] }, holdings, self)).toEqual({ pieces: 3, leaves: 43, rounds: [] });
});

test('of a round it says what was asked, who audits, and whom it audits itself', async () => {
  const rounds = [watched(4, [other, self]), watched(5, [other])];
  const view = await auditView({ rounds }, { classes: async () => [] }, self);
  expect(view.rounds[0]).toEqual({
    round: 4,
    height: 40,
    timeMs: 4,
    group: 1,
    auditors: 2,
    audits: 1,
    asked,
  });
  expect(view.rounds[1]!.group).toBeUndefined();
});
