import { beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { epochDigest } from '../../src/base/epoch.ts';
import type { Epoch, NodeId } from '../../src/base/ids.ts';
import type { NodeAddresses } from '../../src/base/ports.ts';
import { type NodeRecord, signRecord } from '../../src/dht/record.ts';
import { type AddressBook, openAddressBook, peekNodeRecord } from '../../src/node/address-book.ts';
import { type Membership, openMembership } from '../../src/node/membership.ts';
import { nativeVerify } from '../../src/runtime/crypto.ts';
import { MemoryKeyValue } from '../../src/runtime/memory-key-value.ts';
import { expectCode, expectCodeAsync } from '../helpers/expect-code.ts';
import { SetClock, keeperEpoch } from '../helpers/keeper.ts';
import { digestFrom, signerFrom } from '../helpers/records.ts';

const epoch = keeperEpoch();
const self = signerFrom('node 0').publicKey as NodeId;
const clock = new SetClock();
const HOUR_MS = 3_600_000;

let keyValue: MemoryKeyValue;
let membership: Membership;
let told: Map<string, NodeAddresses>;
let book: AddressBook;

async function open(): Promise<void> {
  told = new Map();
  const network = { self, setAddresses: (node: NodeId, to: NodeAddresses) => void told.set(toHex(node), to) };
  book = await openAddressBook({ clock, keyValue, verify: nativeVerify, membership, network });
}

beforeEach(async () => {
  keyValue = new MemoryKeyValue();
  membership = await openMembership({ keyValue }, epoch);
  clock.nowMs = 1_760_000_000_000;
  await open();
});

/** Record of the node called `name`, signed by it or, to forge one, by another. */
function recordOf(name: string, overrides: Partial<NodeRecord> = {}, signer = signerFrom(name)): Uint8Array {
  const record: NodeRecord = {
    kind: 'node',
    network: epoch.network,
    node: signerFrom(name).publicKey as NodeId,
    sequence: 5,
    expiresAtMs: clock.nowMs + HOUR_MS,
    addresses: { control: [], bulk: [`/ip4/10.0.0.1/tcp/4002/tls`] },
    ...overrides,
  };
  return signRecord(record, signer);
}

const idOf = (name: string): NodeId => signerFrom(name).publicKey as NodeId;
const moved: NodeAddresses = { control: [], bulk: ['/ip4/10.0.0.9/tcp/4002/tls'] };

describe("a member's record", () => {
  test('is told to the network, kept over a restart, and passed on', async () => {
    expect(await book.learn(recordOf('node 1'))).toBe(true);
    expect(book.records()).toEqual([recordOf('node 1')]);
    await open();
    expect(book.records()).toEqual([recordOf('node 1')]);
    expect(told.get(toHex(idOf('node 1')))!.bulk).toEqual(['/ip4/10.0.0.1/tcp/4002/tls']);
  });

  test('gives way to a newer one and never to an older or the same', async () => {
    await book.learn(recordOf('node 1', { sequence: 6, addresses: moved }));
    expect(await book.learn(recordOf('node 1', { sequence: 5 }))).toBe(false);
    expect(await book.learn(recordOf('node 1', { sequence: 6, addresses: moved }))).toBe(false);
    expect(book.find(idOf('node 1'))!.addresses).toEqual(moved);
    expect(await book.learn(recordOf('node 1', { sequence: 7 }))).toBe(true);
    expect(book.find(idOf('node 1'))!.addresses).not.toEqual(moved);
  });

  test('is verified once, and again after its node has left or it has expired', async () => {
    let count = 0;
    const network = { self, setAddresses: () => undefined };
    const verify = (...args: Parameters<typeof nativeVerify>): boolean => {
      count++;
      return nativeVerify(...args);
    };
    const counting = await openAddressBook({ clock, keyValue, verify, membership, network });
    expect(await counting.learn(recordOf('node 1'))).toBe(true);
    const countOnce = count;
    expect(await counting.learn(recordOf('node 1'))).toBe(false);
    expect(count).toBe(countOnce);
    const changed = recordOf('node 1');
    changed[40]! ^= 1;
    await expect(counting.learn(changed)).rejects.toThrow();
    const late = recordOf('node 1');
    clock.nowMs += 2 * HOUR_MS;
    await expect(counting.learn(late)).rejects.toThrow();
  });

  test('that has expired is a hint for this node and is passed on to nobody', async () => {
    await book.learn(recordOf('node 1'));
    clock.nowMs += 2 * HOUR_MS;
    expect(book.records()).toEqual([]);
    await open();
    expect(told.has(toHex(idOf('node 1')))).toBe(true);
    expect(book.records()).toEqual([]);
  });

  test('is forgotten with its membership', async () => {
    await book.learn(recordOf('node 1'));
    const members = epoch.members.filter(({ operator }) => operator !== 'operator-1');
    const record = { ...epoch, epoch: 1 as Epoch, previous: epochDigest(epoch), members };
    await membership.adopt(record);
    await book.prune();
    expect(book.find(idOf('node 1'))).toBeUndefined();
    expect(told.get(toHex(idOf('node 1')))).toEqual({ control: [], bulk: [] });
    await open();
    expect(told.size).toBe(0);
  });

  test('about this node itself changes nothing in the network', async () => {
    await book.learn(recordOf('node 0'));
    expect(told.size).toBe(0);
    expect(book.records().length).toBe(1);
  });
});

describe('a record is refused', () => {
  test.each([
    ['of no member', 'UNAUTHORIZED', () => recordOf('stranger')],
    ['of another network', 'WRONG_NETWORK', () => recordOf('node 1', { network: digestFrom('x') })],
    ['that has expired', 'NOT_FOUND', () => recordOf('node 1', { expiresAtMs: clock.nowMs })],
    [
      'that never expires',
      'NOT_FOUND',
      () => recordOf('node 1', { expiresAtMs: clock.nowMs + 1000 * HOUR_MS }),
    ],
    ['that is cut off', 'INVALID_ENCODING', () => recordOf('node 1').slice(0, -1)],
    ['that is nothing', 'INVALID_ENCODING', () => new Uint8Array(0)],
  ] as const)('%s', async (_what, code, make) => {
    await expectCodeAsync(code, book.learn(make()));
    expect(book.records()).toEqual([]);
  });

  test('that somebody else signed', async () => {
    const bytes = recordOf('node 1');
    bytes[bytes.length - 1]! ^= 1;
    await expectCodeAsync('INVALID_SIGNATURE', book.learn(bytes));
  });
});

test('a stranger is reachable for as long as it is introduced, and stays so when it is a member by then', async () => {
  const stranger = idOf('stranger');
  const end = book.introduce(recordOf('stranger', { addresses: moved }));
  expect(told.get(toHex(stranger))).toEqual(moved);
  end();
  expect(told.get(toHex(stranger))).toEqual({ control: [], bulk: [] });
  book.introduce(recordOf('node 2', { addresses: moved }))();
  expect(told.get(toHex(idOf('node 2')))).toEqual(moved);
  const forged = recordOf('stranger');
  forged[forged.length - 1]! ^= 1;
  expectCode('INVALID_SIGNATURE', () => book.introduce(forged));
});

test('a look at a record tells whose it claims to be', () => {
  const { node, expiresAtMs } = peekNodeRecord(recordOf('node 1'));
  expect(toHex(node)).toBe(toHex(idOf('node 1')));
  expect(expiresAtMs).toBe(clock.nowMs + HOUR_MS);
});
