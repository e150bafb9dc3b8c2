// One sample of each kind of record of stake and epochs, with everything in it that may be there, for tests of their bytes.

import type { Digest, Epoch, NodeId, ObjectId, OwnerId, Stake } from '../../src/base/ids.ts';
import { anchorRecord } from '../../src/shards/anchors.ts';
import { auditRoundsRecord } from '../../src/shards/audit-rounds.ts';
import { bondsRecord, unbondingRecord } from '../../src/shards/bonds.ts';
import { disputesRecord } from '../../src/shards/disputes.ts';
import { epochStateRecord } from '../../src/shards/epoch-state.ts';
import { earnedRecord, escrowChangeRecord, escrowRecord } from '../../src/shards/escrow.ts';
import { proposalsRecord } from '../../src/shards/governance.ts';
import { memberPageRecord, operatorIdOf } from '../../src/shards/members.ts';
import { nodeRecord, operatorRecord } from '../../src/shards/node.ts';
import { DEFAULT_PARAMETERS, parametersRecord } from '../../src/shards/parameters.ts';
import { turnsRecord } from '../../src/shards/turns.ts';
import type { RecordType } from '../../src/shards/record.ts';
import { slashesRecord } from '../../src/shards/slashing.ts';
import { standingRecord } from '../../src/shards/standing.ts';
import { supplyRecord } from '../../src/shards/supply.ts';
import { validatorSetRecord } from '../../src/shards/validator-sets.ts';
import { digestFrom } from '../helpers/records.ts';

export interface Sample {
  readonly type: RecordType<unknown>;
  readonly value: unknown;
}

const node = digestFrom<NodeId>('node');
const owner = digestFrom<OwnerId>('owner');
const epoch = (number: number): Epoch => number as Epoch;
const domains = [
  ['rack', 'r1'],
  ['site', 's2'],
] as const;

function sample<T>(type: RecordType<T>, value: T): Sample {
  return { type: type as RecordType<unknown>, value };
}

export const STAKE_RECORDS: readonly Sample[] = [
  sample(parametersRecord, DEFAULT_PARAMETERS),
  sample(nodeRecord, {
    registration: node,
    operator: owner,
    key: digestFrom<NodeId>('key'),
    place: 7,
    registeredEpoch: epoch(3),
    keyedEpoch: epoch(5),
    admissionSeed: digestFrom('admission'),
    provenGib: 512,
    capacityBytes: 2 ** 40,
    domains,
    validates: true,
    acceptsDelegation: false,
    bonded: [
      [0, 1000n],
      [1, 2n ** 60n],
    ],
    waiting: [[0, 5n]],
    isRetired: false,
    isTombstoned: true,
    isJailed: true,
    jailedUntil: epoch(9),
    offence: { class: 'attack', epoch: epoch(4), takenPerMillion: 1_000_000 },
  }),
  sample(operatorRecord, { nodes: [node], jailedUntil: epoch(9), isTombstoned: true }),
  sample(bondsRecord, [{ owner, amounts: [[0, 1000n]] }]),
  sample(unbondingRecord, [
    { owner, asset: 0, amount: 5n, lastEpoch: null },
    { owner, asset: 1, amount: 2n ** 59n, lastEpoch: epoch(4) },
  ]),
  sample(epochStateRecord, {
    epoch: epoch(8),
    lengthBlocks: 3600,
    seed: digestFrom('seed'),
    shardBits: 2,
    mode: 'shared',
    membersDigest: digestFrom('members'),
    previousDigest: digestFrom('members before'),
    memberCount: 40,
    starts: [
      { height: 25_201, timeMs: 1_750_000_000_000 },
      { height: 28_801, timeMs: 1_750_003_600_000 },
    ],
  }),
  sample(auditRoundsRecord, [
    {
      round: 7,
      epoch: epoch(8),
      height: 28_900,
      timeMs: 1_750_003_700_000,
      seed: digestFrom('audit seed'),
      groups: 3,
    },
  ]),
  sample(anchorRecord, {
    root: digestFrom('results'),
    count: 640,
    height: 28_950,
    auditors: [0, 2, 3],
    charged: [2],
  }),
  sample(standingRecord, {
    round: 7,
    provenHeight: 28_900,
    silentRounds: 0,
    asked: 224,
    failed: 1,
    heldKib: 52_428_800,
    score: 999_999,
  }),
  sample(escrowRecord, { held: 2n ** 60n, left: 7n, rate: 12_000n }),
  sample(escrowChangeRecord, { up: 0n, down: 3000n }),
  sample(earnedRecord, { epoch: epoch(8), kib: 314_572_800 }),
  sample(disputesRecord, {
    open: [
      {
        round: 7,
        group: 2,
        index: 639,
        node,
        asked: {
          place: { object: digestFrom<ObjectId>('object'), segmentIndex: 3, pieceIndex: 1 },
          leafIndex: 77,
        },
        content: { root: digestFrom('piece'), lengthBytes: 2 ** 22 },
        disputer: owner,
        bond: 10n,
      },
    ],
    owed: [{ owner, amounts: [[0, 15n]] }],
  }),
  sample(validatorSetRecord, [
    { node, power: 1000n, registration: digestFrom<NodeId>('first'), operator: owner },
  ]),
  sample(turnsRecord, { mix: digestFrom('mix'), transactions: 9, turns: [{ made: 3, missed: 1 }] }),
  sample(slashesRecord, [{ epoch: epoch(8), registration: node, sharePerMillion: 250_000 }]),
  sample(proposalsRecord, [
    {
      id: digestFrom('proposal'),
      proposer: owner,
      parameters: { ...DEFAULT_PARAMETERS, epochBlocks: 7200 },
      lastEpoch: epoch(20),
      votes: [owner],
    },
  ]),
  sample(memberPageRecord, [
    {
      node,
      operator: operatorIdOf(owner),
      stake: 1000n as Stake,
      capacityBytes: 2 ** 40,
      admissionSeed: digestFrom<Digest>('admission'),
      domains,
    },
  ]),
  sample(supplyRecord, { total: [[0, 1100n]], issued: [[0, 200n]], burned: [[0, 100n]] }),
];
