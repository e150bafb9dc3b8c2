import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../../src/base/bytes.ts';
import type { ObjectId, OwnerId } from '../../../../src/base/ids.ts';
import {
  accountJson,
  bucketJson,
  nodeJson,
  objectRecordJson,
  parametersJson,
  toJson,
  transactionJson,
} from '../../../../src/node/chain/http/json.ts';
import { ACCOUNT, BUCKET, NODE, OBJECT, PARAMETERS } from '../../../../src/node/chain/http/schemas.ts';
import type { BucketId } from '../../../../src/shards/bucket.ts';
import type { Epoch } from '../../../../src/base/ids.ts';
import type { NodeRecord } from '../../../../src/shards/node.ts';
import { DEFAULT_PARAMETERS } from '../../../../src/shards/parameters.ts';
import { decodeTransaction } from '../../../../src/shards/transaction.ts';
import { digestFrom } from '../../../helpers/records.ts';
import * as storage from '../../../shards/storage-samples.ts';

const OWNER = digestFrom<OwnerId>('owner');

const NODE_RECORD: NodeRecord = {
  registration: digestFrom('registration'),
  operator: OWNER,
  key: digestFrom('key'),
  place: 3,
  registeredEpoch: 1 as Epoch,
  keyedEpoch: 2 as Epoch,
  admissionSeed: null,
  provenGib: 0,
  capacityBytes: 2 ** 40,
  domains: [
    ['rack', 'r1'],
    ['zone', 'z1'],
  ],
  validates: true,
  acceptsDelegation: false,
  bonded: [
    [0, 2n ** 60n],
    [1, 5n],
  ],
  waiting: [],
  isRetired: false,
  isTombstoned: false,
  isJailed: true,
  jailedUntil: 9 as Epoch,
  offence: { class: 'double-sign', epoch: 4 as Epoch, takenPerMillion: 50_000 },
};

describe('data of the ledger as JSON', () => {
  test('has bytes as digits, large integers as text, and an amount as an object', () => {
    expect(
      toJson({
        bytes: new Uint8Array([0, 255]),
        count: 7,
        power: 2n ** 63n,
        nothing: undefined,
        none: null,
        amounts: [[0, 1n]],
        two: [
          [0, 1n],
          [1, 2n],
        ],
        pair: ['rack', 'r1'],
        numbers: [1, 2],
        isTrue: true,
      }),
    ).toEqual({
      bytes: '00ff',
      count: 7,
      power: '9223372036854775808',
      nothing: null,
      none: null,
      amounts: [{ asset: 0, amount: '1' }],
      two: [
        { asset: 0, amount: '1' },
        { asset: 1, amount: '2' },
      ],
      pair: ['rack', 'r1'],
      numbers: [1, 2],
      isTrue: true,
    });
  });

  test('loses nothing: bytes and amounts can be read back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
        (bytes, amount) => {
          const json = JSON.parse(JSON.stringify(toJson({ bytes, amounts: [[3, amount]] }))) as {
            bytes: string;
            amounts: { asset: number; amount: string }[];
          };
          expect(fromHex(json.bytes)).toEqual(new Uint8Array(bytes));
          expect(json.amounts.map((each) => [each.asset, BigInt(each.amount)])).toEqual([[3, amount]]);
        },
      ),
    );
  });

  test('of every kind of record is what the schemas say', () => {
    const bonds = [{ owner: OWNER, amounts: [[0, 7n]] as const }];
    const unbonding = [
      { owner: OWNER, asset: 0, amount: 3n, lastEpoch: null },
      { owner: OWNER, asset: 1, amount: 4n, lastEpoch: 5 as Epoch },
    ];
    const operator = { nodes: [digestFrom('node')], jailedUntil: 0 as Epoch, isTombstoned: false };
    const object = storage.OBJECT;
    const id = digestFrom<ObjectId>('object');
    const cases = [
      [NODE, nodeJson(NODE_RECORD, bonds, unbonding)],
      [ACCOUNT, accountJson(OWNER, { nonce: 4, balances: [[0, 9n]] }, ['photos'], operator as never)],
      [BUCKET, bucketJson(digestFrom<BucketId>('bucket'), storage.BUCKET)],
      [OBJECT, objectRecordJson(id, object, undefined)],
      [OBJECT, objectRecordJson(id, object, storage.SEGMENTS)],
      [PARAMETERS, parametersJson(DEFAULT_PARAMETERS)],
    ] as const;
    for (const [schema, json] of cases) {
      const read: unknown = JSON.parse(JSON.stringify(json));
      expect(schema.safeParse(read).error?.message, JSON.stringify(json)).toBeUndefined();
    }
  });

  test('of every kind of transaction about names and objects can be written', () => {
    for (const [name, bytes] of Object.entries(storage.STORAGE_TRANSACTIONS)) {
      const signed = decodeTransaction(bytes, storage.STORAGE_KINDS);
      const json = JSON.parse(JSON.stringify(transactionJson(signed))) as {
        id: string;
        action: { kind: string; parameters: unknown };
      };
      expect(json.id, name).toBe(toHex(signed.id));
      expect(json.action.kind).toBe(signed.transaction.action.kind);
      expect(json.action.parameters).not.toBeNull();
    }
  });
});
