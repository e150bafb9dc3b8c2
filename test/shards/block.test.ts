import { expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { encode } from '../../src/base/codec.ts';
import type { NetworkId, OwnerId, ShardId } from '../../src/base/ids.ts';
import { portableVerify } from '../../src/base/keys.ts';
import { BLOCK_LENGTH_MAX } from '../../src/base/limits.ts';
import { merkleRoot } from '../../src/base/merkle.ts';
import { accountKey } from '../../src/shards/account.ts';
import { blockIdOf, decodeBlock, sealBlock } from '../../src/shards/block.ts';
import {
  decodeHeader,
  decodeShardHeader,
  encodeHeader,
  encodeShardHeader,
  headerId,
  shardsRootOf,
  stateRootOf,
} from '../../src/shards/header.ts';
import { decodeReclaim, encodeReclaim } from '../../src/shards/inbox.ts';
import { cursorKey, type Lane, LANES_KEY, outboxKey, receiptKey } from '../../src/shards/lane.ts';
import { batchDigest, decodeParcel, encodeParcel, isProved } from '../../src/shards/parcel.ts';
import { decodeReceipt, encodeReceipt, receiptDigest, valueOfReceipt } from '../../src/shards/receipts.ts';
import {
  decodeTransaction,
  encodeTransaction,
  isSignedBySender,
  signTransaction,
  verifyTransaction,
} from '../../src/shards/transaction.ts';
import { expectCode } from '../helpers/expect-code.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';
import { LEDGER } from './ledger-vectors.ts';
import { fastSha256, KINDS } from './kinds.ts';
import { NETWORK, World } from './world.ts';

const { operations, deliveries } = KINDS;
const lane: Lane = { shardBits: 2, source: 0 as ShardId, destination: 3 as ShardId };

// ---- Frozen bytes --------------------------------------------------------------------------------------------

test('a transaction has the frozen bytes and id', () => {
  const signed = decodeTransaction(LEDGER.transaction, operations);
  expect(signed.transaction).toMatchObject({
    network: digestFrom('network'),
    sender: digestFrom('sender'),
    nonce: 5,
    fee: 3n,
    expiresAtHeight: 900,
    action: {
      kind: 'transfer',
      parameters: {
        to: digestFrom('receiver'),
        amounts: [
          [0, 300n],
          [3, 2n ** 63n],
        ],
      },
    },
  });
  expect(toHex(signed.id)).toBe(toHex(LEDGER.transactionId));
  expect(toHex(encodeTransaction(signed, operations))).toBe(toHex(LEDGER.transaction));
});

test('receipts have the frozen bytes and digests, a batch its digest and root', () => {
  const receipts = LEDGER.receipts.map((bytes) => decodeReceipt(bytes, deliveries));
  expect(receipts.map(({ sequence }) => sequence)).toEqual([7, 8, 9, 10]);
  expect(receipts[0]).toMatchObject({ lane, height: 41, expiresAtHeight: 141, message: { kind: 'credit' } });
  expect(receipts[3]).toMatchObject({ expiresAtHeight: null, message: { kind: 'refund' } });
  expect(receipts.map((receipt) => toHex(encodeReceipt(receipt, deliveries)))).toEqual(
    LEDGER.receipts.map(toHex),
  );
  const digests = LEDGER.receipts.map((bytes) => receiptDigest(bytes));
  expect(digests.map(toHex)).toEqual(LEDGER.receiptDigests.map(toHex));
  const leaf = batchDigest({ lane, height: 41, first: 7, receipts: 4 }, merkleRoot(digests));
  expect(toHex(leaf)).toBe(toHex(LEDGER.batchDigest));
  expect(toHex(merkleRoot([digestFrom('other batch'), leaf]))).toBe(toHex(LEDGER.outboxRoot));
  expect(valueOfReceipt(LEDGER.receipts[0]!)).toEqual([[0, 300n]]);
});

test('a parcel has the frozen bytes, and its receipts are proved under the outbox root', () => {
  const parcel = decodeParcel(LEDGER.parcel, deliveries);
  expect(toHex(encodeParcel(parcel))).toBe(toHex(LEDGER.parcel));
  expect(parcel.receipts.map(({ receipt }) => receipt.sequence)).toEqual([7, 8]);
  expect(isProved(parcel, LEDGER.outboxRoot as never, fastSha256)).toBe(true);
  expect(isProved(parcel, digestFrom('another root'), fastSha256)).toBe(false);
});

test('a reclaim has the frozen bytes', () => {
  const reclaim = decodeReclaim(LEDGER.reclaim);
  expect(reclaim).toMatchObject({ lane, first: 7, count: 2, cursor: 7 });
  expect(toHex(encodeReclaim(reclaim))).toBe(toHex(LEDGER.reclaim));
});

test('headers of shards have the frozen bytes and roots', () => {
  const shards = LEDGER.shardHeaders.map(decodeShardHeader);
  expect(shards.map((header) => toHex(encodeShardHeader(header)))).toEqual(LEDGER.shardHeaders.map(toHex));
  expect(toHex(stateRootOf(shards))).toBe(toHex(LEDGER.stateRoot));
  expect(toHex(shardsRootOf(shards))).toBe(toHex(LEDGER.shardsRoot));
});

test('a block has the frozen bytes and id, which is the id of its header', () => {
  const block = decodeBlock(LEDGER.block, KINDS);
  expect(block.header).toMatchObject({ height: 42, epoch: 1, timeMs: 1_750_000_000_000, shardBits: 1 });
  expect(toHex(encodeHeader(block.header))).toBe(toHex(LEDGER.header));
  expect(decodeHeader(LEDGER.header)).toEqual(block.header);
  const again = sealBlock(block.header, block.body, KINDS);
  expect(toHex(again.bytes)).toBe(toHex(LEDGER.block));
  expect(again).toEqual(block);
  expect(toHex(headerId(LEDGER.header))).toBe(toHex(LEDGER.blockId));
  expect(blockIdOf(LEDGER.block)).toBe(toHex(LEDGER.blockId));
});

test('records lie at the frozen paths', () => {
  const paths = {
    'account of sender': accountKey(digestFrom<OwnerId>('sender')),
    'cursor of the lane': cursorKey(lane),
    'outbox of the lane': outboxKey(lane),
    'receipt 7 of the lane': receiptKey(lane, 7),
    lanes: LANES_KEY,
  };
  for (const [name, key] of Object.entries(paths)) {
    expect(key.text, name).toBe(toHex(LEDGER.paths[name]!));
  }
});

// ---- Form ----------------------------------------------------------------------------------------------------

test('the header names the body: other bytes are no block, and have an id that no block has', () => {
  const block = new World().build();
  const other = new World({ balances: { a: [[0, 5n]] } }).build();
  const mixed = encode([encodeHeader(block.header), encode([null, [], [], [], [new Uint8Array(1)], null])]);
  expectCode('INVALID_ENCODING', () => decodeBlock(mixed, KINDS));
  const ids = [block.bytes, other.bytes, mixed, encodeHeader(block.header), new Uint8Array(0)].map((bytes) =>
    blockIdOf(bytes),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids[0]).toBe(toHex(block.id));
});

test('a block that is too long is refused before it is read', () => {
  expectCode('INVALID_ENCODING', () => decodeBlock(new Uint8Array(BLOCK_LENGTH_MAX + 1), KINDS));
});

test('a body with something in the places of another mode is refused', () => {
  const block = new World().build();
  const body = encode([null, [], [], [], [], []]);
  const bytes = encode([encodeHeader(block.header), body]);
  expectCode('INVALID_ENCODING', () => decodeBlock(bytes, KINDS));
  expectCode('INVALID_ENCODING', () => decodeShardHeader(encode([0, 0, NETWORK, NETWORK, 1])));
  expectCode('INVALID_ENCODING', () => decodeShardHeader(encode([0, 1, NETWORK, NETWORK, null])));
});

test('amounts have one form: ascending, none zero, none twice, and no transfer of nothing', () => {
  const transfer = (amounts: unknown): Uint8Array =>
    encode([[NETWORK, NETWORK, 0, 0, 0, 0, [NETWORK, amounts]], new Uint8Array(64)]);
  decodeTransaction(transfer([[0, 1]]), operations);
  const bad = [
    [],
    [[0, 0]],
    [
      [1, 1],
      [0, 1],
    ],
    [
      [0, 1],
      [0, 1],
    ],
    [[8, 1]],
    [[0, -1]],
    [[0]],
    7,
  ];
  for (const amounts of bad) {
    expectCode('INVALID_ENCODING', () => decodeTransaction(transfer(amounts), operations));
  }
});

test('receipts go to homes that can be addressed', () => {
  const receipt = (home: unknown): Uint8Array =>
    encode([[0, 0, 0], 0, 1, null, NETWORK, [home, 1, [], [], NETWORK]]);
  for (const home of [
    [0, new Uint8Array(0)],
    [1, NETWORK],
    [4, NETWORK],
  ]) {
    decodeReceipt(receipt(home), deliveries);
  }
  const bad = [
    [0, NETWORK],
    [1, new Uint8Array(31)],
    [5, new Uint8Array(5)],
    [6, NETWORK],
  ];
  for (const home of bad) expectCode('INVALID_ENCODING', () => decodeReceipt(receipt(home), deliveries));
});

test('kinds that nobody knows are refused', () => {
  const transaction = encode([[NETWORK, NETWORK, 0, 0, 0, 99_999, []], new Uint8Array(64)]);
  expectCode('INVALID_ENCODING', () => decodeTransaction(transaction, operations));
  const receipt = encode([[0, 0, 0], 0, 1, null, NETWORK, [[1, NETWORK], 99_999, [], [], NETWORK]]);
  expectCode('INVALID_ENCODING', () => decodeReceipt(receipt, deliveries));
});

test('a transaction is signed by its sender for its network', () => {
  const signer = signerFrom('sender');
  const network = digestFrom<NetworkId>('network');
  const transaction = {
    network,
    sender: signer.publicKey as OwnerId,
    nonce: 0,
    fee: 0n,
    expiresAtHeight: 9,
    action: { kind: 'transfer', parameters: { to: digestFrom<OwnerId>('b'), amounts: [[0, 1n]] } },
  };
  const signed = signTransaction(transaction, operations, signer);
  verifyTransaction(signed, network, operations, portableVerify);
  const other = { ...signed, transaction: { ...transaction, fee: 1n } };
  expectCode('INVALID_SIGNATURE', () => verifyTransaction(other, network, operations, portableVerify));
  const elsewhere = digestFrom<NetworkId>('other network');
  expectCode('WRONG_NETWORK', () => verifyTransaction(signed, elsewhere, operations, portableVerify));
});

// ---- Known transactions --------------------------------------------------------------------------------------

test('a transaction that is known is taken over as it is, and one with the same id and other bytes is not', () => {
  const world = new World({ balances: { a: [[0, 9n]] } });
  const parameters = { to: digestFrom<OwnerId>('receiver'), amounts: [[0, 1n]] };
  const signed = world.sign('a', 0, { kind: 'transfer', parameters });
  const { bytes } = world.build([signed]);
  const packed = encodeTransaction(signed, operations);
  const pooled = decodeTransaction(packed, operations, fastSha256);
  const knowing = (one: typeof signed) =>
    decodeBlock(bytes, KINDS, fastSha256, (id) => (toHex(id) === toHex(one.id) ? one : undefined)).body
      .transactions[0]!;
  expect(knowing(pooled)).toBe(pooled);
  const forgedBytes = packed.slice();
  forgedBytes[forgedBytes.length - 1]! ^= 1;
  const forged = decodeTransaction(forgedBytes, operations, fastSha256);
  expect(forged.id).toEqual(pooled.id);
  expect(knowing(forged)).not.toBe(forged);
  expect(knowing(forged)).toEqual(pooled);
  // One that was not decoded may say something else than its bytes.
  expect(knowing(signed)).not.toBe(signed);
});

test('a signature that was found good is not checked again for the same transaction, and for no other', () => {
  const signer = signerFrom('sender');
  const action = { kind: 'transfer', parameters: { to: digestFrom('b'), amounts: [[0, 1n]] } };
  const about = { network: NETWORK, sender: signer.publicKey as OwnerId, nonce: 0, fee: 0n };
  const signed = signTransaction({ ...about, expiresAtHeight: 9, action }, operations, signer);
  const packed = encodeTransaction(signed, operations);
  let checks = 0;
  const verify: typeof portableVerify = (key, message, signature) => {
    checks++;
    return portableVerify(key, message, signature);
  };
  const decoded = decodeTransaction(packed, operations, fastSha256);
  const isSigned = (one: typeof signed): boolean => isSignedBySender(one, operations, verify);
  expect([isSigned(decoded), isSigned(decoded), checks]).toEqual([true, true, 1]);
  expect([isSigned(decodeTransaction(packed, operations, fastSha256)), checks]).toEqual([true, 2]);
  const other = { ...decoded, transaction: { ...decoded.transaction, nonce: 1 } };
  expect([isSigned(other), isSigned(other), checks]).toEqual([false, false, 4]);
  expect(isSignedBySender(decoded, operations, () => false)).toBe(false);
});
