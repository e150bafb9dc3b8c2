import { expect, test, vi } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { type Job, type Written } from '../../../src/client/names/batch.ts';
import { createWriter, type Writer } from '../../../src/client/names/writer.ts';
import { amountOf, NATIVE } from '../../../src/shards/amounts.ts';
import { WRITE_BATCH_MAX } from '../../../src/base/limits.ts';
import { LEDGER_RULES } from '../../../src/shards/ledger.ts';
import { expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { ownerOf, signerOf } from '../../shards/world.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

let draws = 0;

function writerOf(chain: MemoryChain): Writer {
  const random = { bytes: (length: number) => digestFrom(`draw of a writer ${draws++}`).slice(0, length) };
  return createWriter({ chain, signer: signerOf('ann'), random }, LEDGER_RULES.operations);
}

const pay = (amount: bigint, subject = `payment ${amount}`): Job<bigint> => ({
  subjects: [subject],
  decide: () => {
    const parameters = { to: ownerOf('bob'), amounts: amountOf(NATIVE, amount) };
    return { action: { kind: 'transfer', parameters }, basis: amount };
  },
});

const paid = (chain: MemoryChain): bigint =>
  chain.world.balances('bob').reduce((sum, [, amount]) => sum + amount, 0n);
const noncesOf = (all: readonly Written<unknown>[]): readonly number[] => all.map(({ nonce }) => nonce);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what comes together is one batch, in order; what comes meanwhile is the next', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const all = Array.from({ length: 3 * WRITE_BATCH_MAX + 1 }, (_, at) => writer.write(pay(BigInt(at + 1))));
  const written = await Promise.all(all);
  expect(noncesOf(written)).toEqual(written.map((_, at) => at));
  expect(new Set(written.map(({ height }) => height)).size).toBeLessThanOrEqual(5);
  expect(written.every(({ isNext }) => isNext)).toBe(true);
  expect(new Set(written.map(({ id }) => toHex(id))).size).toBe(written.length);
});

test('jobs about one thing take turns, in the order in which they came', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const written = await Promise.all([1n, 2n, 3n].map((amount) => writer.write(pay(amount, 'one thing'))));
  const heights = written.map(({ height }) => height);
  expect(new Set(heights).size).toBe(3);
  expect(heights.toSorted((a, b) => a - b)).toEqual(heights);
});

test('who was overtaken decides again on the newer state, and nothing is done twice', async () => {
  const chain = new MemoryChain();
  const writers = [writerOf(chain), writerOf(chain), writerOf(chain)];
  const written = await Promise.all(
    writers.flatMap((writer, index) =>
      [1, 2, 3, 4].map((at) => writer.write(pay(10n ** BigInt(index) * BigInt(at)))),
    ),
  );
  expect(noncesOf(written).toSorted((a, b) => a - b)).toEqual(written.map((_, at) => at));
  expect(paid(chain)).toBe(10n + 100n + 1000n);
});

test('a decision that throws ends its job and no other', async () => {
  const writer = writerOf(new MemoryChain());
  const failing: Job<never> = {
    subjects: [],
    decide: () => {
      throw new StoreError('FULL', 'no');
    },
  };
  const [first, second, third] = await Promise.allSettled([
    writer.write(pay(1n)),
    writer.write(failing),
    writer.write(pay(2n)),
  ]);
  expect([first.status, second.status, third.status]).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect((third as PromiseFulfilledResult<Written<bigint>>).value.nonce).toBe(1);
});

test('a transaction that cannot be handed in takes those behind it along, and the next ones go on', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const submit = chain.submit.bind(chain);
  let isFull = true;
  chain.submit = (signed, options) => {
    if (isFull && signed.transaction.nonce === 1)
      return Promise.reject(new StoreError('FULL', 'the pool is full'));
    // Behind the gap nothing is ever included.
    if (isFull && signed.transaction.nonce > 1) return untilGivenUp(options!.signal!);
    return submit(signed);
  };
  const results = await Promise.allSettled([1n, 2n, 3n, 4n].map((amount) => writer.write(pay(amount))));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
  for (const result of results.slice(1)) {
    expect((result as PromiseRejectedResult).reason).toMatchObject({ code: 'FULL' });
  }
  isFull = false;
  expect((await writer.write(pay(5n))).nonce).toBe(1);
  expect(paid(chain)).toBe(6n);
});

function untilGivenUp(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

test('a write that is aborted leaves no gap for the others', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const abort = new AbortController();
  const first = writer.write(pay(1n), abort.signal);
  const second = writer.write(pay(2n));
  const aborted = expectCodeAsync('ABORTED', first);
  await turn();
  abort.abort();
  await aborted;
  await second;
  expect((await writer.write(pay(4n))).nonce).toBeGreaterThan(0);
  expect([6n, 7n]).toContain(paid(chain));
});

test('when nobody waits any more, nothing is waited for', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const given: AbortSignal[] = [];
  chain.submit = (_signed, options) => {
    given.push(options!.signal!);
    return untilGivenUp(options!.signal!);
  };
  const abort = new AbortController();
  const all = [1n, 2n].map((amount) => expectCodeAsync('ABORTED', writer.write(pay(amount), abort.signal)));
  while (given.length < 2) await turn();
  abort.abort();
  await Promise.all(all);
  expect(given.every(({ aborted }) => aborted)).toBe(true);
  await expectCodeAsync('ABORTED', writer.write(pay(3n), AbortSignal.abort()));
  expect(given).toHaveLength(2);
});

test('a chain that cannot be read fails what waits, and is asked again for what comes later', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  const read = chain.read.bind(chain);
  chain.read = () => Promise.reject(new StoreError('UNREACHABLE', 'nobody is there'));
  await expectCodeAsync('UNREACHABLE', writer.write(pay(1n)));
  chain.read = read;
  await writer.write(pay(1n));
  expect(paid(chain)).toBe(1n);
});

test('who is always overtaken is told so', async () => {
  const chain = new MemoryChain();
  const writer = writerOf(chain);
  chain.submit = () => Promise.reject(new StoreError('ALREADY_EXISTS', 'another one'));
  const error = await expectCodeAsync('BUSY', writer.write(pay(1n)));
  expect(error.next).toContain('one program at a time');
});
