import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { createBucket, deleteBucket, statBucket } from '../../../src/client/names/bucket-operations.ts';
import { ABSENT, ANY, formatEtag, NameConflict, parseEtag } from '../../../src/client/names/condition.ts';
import type { NamesContext } from '../../../src/client/names/context.ts';
import { findName, statName } from '../../../src/client/names/directory-reader.ts';
import { listNames } from '../../../src/client/names/name-listing.ts';
import { moveName } from '../../../src/client/names/move-name.ts';
import { dropName, putName } from '../../../src/client/names/name-operations.ts';
import { StoreError } from '../../../src/base/errors.ts';
import { type Condition, isMet, type NameEntry } from '../../../src/shards/name-entry.ts';
import { expectCode, expectCodeAsync } from '../../helpers/expect-code.ts';
import { digestFrom } from '../../helpers/records.ts';
import { PRESENT } from '../../shards/buckets.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { MemoryChain } from './memory-chain.ts';

vi.mock('../../shards/kinds.ts', async (original) =>
  (await import('./ledger-kinds.ts')).ledgerKinds(original),
);

const BUCKETS = { photos: true, archive: true, public: false } as const;
type BucketName = keyof typeof BUCKETS;
const KEYS = ['a', 'a/b', 'c'] as const;

async function world(shardBits: number): Promise<{ chain: MemoryChain; ann: NamesContext }> {
  const chain = new MemoryChain(shardBits);
  const ann = chain.context();
  await Promise.all(
    Object.entries(BUCKETS).map(([name, isEncrypted]) => createBucket(ann, name, { isEncrypted })),
  );
  return { chain, ann };
}

// ---- One program ---------------------------------------------------------------------------------------------

const place = fc.record({
  bucket: fc.constantFrom<BucketName>('photos', 'archive', 'public'),
  key: fc.constantFrom(...KEYS),
});
const conditionKind = fc.constantFrom('any', 'absent', 'present', 'current', 'stale');
const step = fc.oneof(
  fc.record({ do: fc.constant('put' as const), at: place, if: conditionKind }),
  fc.record({ do: fc.constant('drop' as const), at: place, if: conditionKind }),
  fc.record({ do: fc.constant('move' as const), at: place, to: place, if: conditionKind }),
);

/** By bucket and key: what was put there, and the etag that the put or move gave it. */
type Model = Map<string, { readonly what: string; readonly etag: Uint8Array }>;

const nameOf = ({ bucket, key }: { readonly bucket: string; readonly key: string }): string =>
  `${bucket}/${key}`;

function conditionOf(kind: string, model: Model, name: string): Condition {
  if (kind === 'current')
    return { kind: 'match', etag: model.get(name)?.etag ?? digestFrom('none').slice(0, 16) };
  if (kind === 'stale') return { kind: 'match', etag: digestFrom('stale').slice(0, 16) };
  return { kind } as Condition;
}

const isAllowed = (condition: Condition, model: Model, name: string): boolean =>
  isMet(condition, model.get(name) as NameEntry | undefined);

/** Whether it was done; false for the failures that are to be expected. */
async function done<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    expect(error).toBeInstanceOf(StoreError);
    expect(['CONDITION_FAILED', 'NOT_FOUND']).toContain((error as StoreError).code);
    if (error instanceof NameConflict) expect(error.mayHaveHappened).toBe(false);
    return undefined;
  }
}

for (const shardBits of [0, 3]) {
  test(`whatever one program does, names are as in a map, with ${2 ** shardBits} shards`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
        const { chain, ann } = await world(shardBits);
        const model: Model = new Map();
        for (const [number, one] of steps.entries()) {
          const name = nameOf(one.at);
          const what = `object ${number}`;
          if (one.do === 'put') {
            const condition = conditionOf(one.if, model, name);
            const put = await done(putName(ann, one.at, referenceTo(what), { condition }));
            expect(put !== undefined).toBe(isAllowed(condition, model, name));
            if (put === undefined) continue;
            const before = model.get(name);
            expect(put.replaced).toEqual(before === undefined ? undefined : referenceTo(before.what));
            model.set(name, { what, etag: put.etag });
          } else if (one.do === 'drop') {
            const condition = conditionOf(one.if, model, name);
            const before = model.get(name);
            const dropped = await done(dropName(ann, one.at, { condition }));
            expect(dropped !== undefined).toBe(before !== undefined && isAllowed(condition, model, name));
            if (dropped === undefined) continue;
            expect(dropped.removed).toEqual(referenceTo(before!.what));
            model.delete(name);
          } else {
            const target = nameOf(one.to);
            if (target === name) continue;
            const to = conditionOf(one.if, model, target);
            const before = model.get(name);
            const moved = await done(moveName(ann, one.at, one.to, { to }));
            expect(moved !== undefined).toBe(before !== undefined && isAllowed(to, model, target));
            if (moved === undefined) continue;
            model.delete(name);
            model.set(target, { what: before!.what, etag: moved.etag });
          }
        }
        for (const [bucket, isEncrypted] of Object.entries(BUCKETS)) {
          const { names } = await listNames(ann, bucket);
          const expected = [...model].filter(([name]) => name.startsWith(`${bucket}/`));
          expect(names).toHaveLength(expected.length);
          for (const { key, entry } of names) {
            const { what, etag } = model.get(`${bucket}/${key}`)!;
            expect(entry).toMatchObject({ object: referenceTo(what), etag, movingAs: null });
          }
          const { value } = await statBucket(ann, bucket);
          expect(value).toMatchObject({ names: expected.length, policy: { isEncrypted } });
        }
        expect(chain.world.drain()).toBe(0);
      }),
      { numRuns: 15 },
    );
  });
}

test('a condition that is not met says what is there, and hands nothing in', async () => {
  const { chain, ann } = await world(0);
  const path = { bucket: 'photos', key: 'a' };
  const put = await putName(ann, path, referenceTo('a'), { condition: ABSENT });
  const before = chain.world.height;
  const stale: Condition = { kind: 'match', etag: digestFrom('stale').slice(0, 16) };
  for (const condition of [ABSENT, stale]) {
    const error = await expectCodeAsync(
      'CONDITION_FAILED',
      putName(ann, path, referenceTo('b'), { condition }),
    );
    expect(error).toBeInstanceOf(NameConflict);
    expect((error as NameConflict).etag).toEqual(put.etag);
    expect(error.message).toContain(toHex(put.etag));
  }
  const none = await expectCodeAsync(
    'CONDITION_FAILED',
    putName(ann, { bucket: 'photos', key: 'b' }, referenceTo('b'), { condition: PRESENT }),
  );
  expect((none as NameConflict).etag).toBeUndefined();
  await expectCodeAsync('NOT_FOUND', dropName(ann, { bucket: 'photos', key: 'b' }));
  await expectCodeAsync('NOT_FOUND', moveName(ann, { bucket: 'photos', key: 'b' }, path));
  await expectCodeAsync('NOT_FOUND', putName(ann, { bucket: 'music', key: 'b' }, referenceTo('b')));
  await expectCodeAsync('NOT_FOUND', moveName(ann, path, { bucket: 'music', key: 'b' }));
  await expectCodeAsync('INVALID_ARGUMENT', moveName(ann, path, path));
  expect(chain.world.height).toBe(before);
});

test('many puts at once share blocks, and those of one name take turns', async () => {
  const { chain, ann } = await world(2);
  const before = chain.world.height;
  const keys = Array.from({ length: 150 }, (_, at) => `picture ${at}`);
  const puts = keys.map((key) => putName(ann, { bucket: 'photos', key }, referenceTo(key)));
  const same = ['x', 'y', 'z'].map((what) =>
    putName(ann, { bucket: 'photos', key: 'same' }, referenceTo(what)),
  );
  await Promise.all(puts);
  const [x, y, z] = await Promise.all(same);
  expect([x, y, z].map((put) => put?.replaced)).toEqual([undefined, referenceTo('x'), referenceTo('y')]);
  const { value } = await statName(ann, { bucket: 'photos', key: 'same' });
  expect(value.etag).toEqual(z!.etag);
  expect((await statBucket(ann, 'photos')).value.names).toBe(151);
  expect(chain.world.height - before).toBeLessThan(30);
});

test('fees are paid as the network asks for them', async () => {
  const chain = new MemoryChain(0, ['ann'], { fees: { perTransaction: 7n, perByte: 2n } });
  const ann = chain.context();
  await createBucket(ann, 'photos');
  await putName(ann, { bucket: 'photos', key: 'a' }, referenceTo('a'));
  const [[, left]] = chain.world.balances('ann') as [[number, bigint]];
  const paid = 1_000_000n - left;
  expect(paid).toBeGreaterThan(2n * 7n);
  expect(paid).toBeLessThan(5000n);
});

test('an aborted call ends, and the next goes on', async () => {
  const { ann } = await world(0);
  const signal = AbortSignal.abort();
  const path = { bucket: 'photos', key: 'a' };
  await expectCodeAsync('ABORTED', putName(ann, path, referenceTo('a'), { signal }));
  expect((await findName(ann, path)).value).toBeUndefined();
  await putName(ann, path, referenceTo('a'));
});

test('etags are shown as 32 hex digits, and read with or without quotation marks', () => {
  const etag = digestFrom('etag').slice(0, 16);
  expect(parseEtag(formatEtag(etag))).toEqual(etag);
  expect(parseEtag(`"${formatEtag(etag)}"`)).toEqual(etag);
  for (const text of [
    '',
    '"',
    `"${formatEtag(etag)}`,
    formatEtag(etag).toUpperCase(),
    `${formatEtag(etag)}0`,
  ]) {
    expectCode('INVALID_ARGUMENT', () => parseEtag(text));
  }
});

// ---- Several programs with one key ---------------------------------------------------------------------------

interface Operation {
  readonly kind: 'get' | 'put' | 'drop';
  readonly condition: Condition;
  readonly value: string | undefined;
  readonly from: number;
  readonly to: number;
  /** Gone: the name is not there any more, by this program or by another at the same moment. */
  readonly result: 'done' | 'gone' | 'failed' | 'unknown' | { readonly saw: string | undefined };
}

type Register = { readonly value: string; readonly etag: string } | undefined;

/** Is there an order of all operations, none before one that had ended when it began, in which a register gives these results? */
function isLinearizable(
  history: readonly Operation[],
  state: Register,
  etags: ReadonlyMap<string, string>,
): boolean {
  if (history.length === 0) return true;
  const firstEnd = Math.min(...history.map(({ to }) => to));
  return history.some((one, index) => {
    if (one.from > firstEnd) return false;
    const rest = history.toSpliced(index, 1);
    return outcomes(one, state, etags).some((next) => isLinearizable(rest, next.state, etags));
  });
}

function outcomes(
  { kind, condition, value, result }: Operation,
  state: Register,
  etags: ReadonlyMap<string, string>,
): readonly { readonly state: Register }[] {
  if (kind === 'get') {
    const saw = typeof result === 'object' ? result.saw : undefined;
    return saw === state?.value ? [{ state }] : [];
  }
  const etag = condition.kind === 'match' ? toHex(condition.etag) : undefined;
  const isAllowed =
    condition.kind === 'any' ||
    (condition.kind === 'absent' && state === undefined) ||
    (condition.kind === 'present' && state !== undefined) ||
    (etag !== undefined && state?.etag === etag);
  const canHappen = isAllowed && (kind === 'put' || state !== undefined);
  const after = {
    state: kind === 'put' ? { value: value!, etag: etags.get(value!) ?? `unknown ${value}` } : undefined,
  };
  if (typeof result === 'object') throw new Error('only reading sees a value');
  switch (result) {
    case 'done':
      return canHappen ? [after] : [];
    case 'gone':
      return [after];
    case 'failed':
      return canHappen ? [] : [{ state }];
    case 'unknown':
      return canHappen ? [after, { state }] : [{ state }];
  }
}

async function race(
  shardBits: number,
  plan: readonly (readonly { kind: string; if: string; waits: number }[])[],
) {
  const { chain, ann } = await world(shardBits);
  let random = 7;
  chain.delay = async () => {
    random = (random * 1103515245 + 12345) % 2 ** 31;
    for (let turns = random % 4; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
  };
  const path = { bucket: 'photos', key: 'a' };
  await putName(ann, path, referenceTo('first'), { condition: ABSENT });
  const first = (await statName(ann, path)).value.etag;
  let now = 0;
  const history: Operation[] = [];
  const etags = new Map<string, string>([['first', toHex(first)]]);
  const values = new Map<string, string>([[toHex(referenceTo('first').object), 'first']]);
  const program = async (steps: (typeof plan)[number], number: number): Promise<void> => {
    const own = chain.context();
    let seen: Uint8Array = first;
    for (const [at, one] of steps.entries()) {
      for (let turns = one.waits; turns > 0; turns--) await new Promise((resolve) => setImmediate(resolve));
      const from = now++;
      const value = `${number}.${at}`;
      values.set(toHex(referenceTo(value).object), value);
      const condition: Condition =
        one.if === 'match' ? { kind: 'match', etag: seen } : one.if === 'absent' ? ABSENT : ANY;
      let result: Operation['result'] = 'done';
      if (one.kind === 'get') {
        const { value: entry } = await findName(own, path);
        if (entry !== undefined) seen = entry.etag;
        result = { saw: entry === undefined ? undefined : values.get(toHex(entry.object.object))! };
      } else {
        try {
          if (one.kind === 'drop') {
            const { removed } = await dropName(own, path, { condition });
            if (removed === undefined) result = 'gone';
          } else {
            const put = await putName(own, path, referenceTo(value), { condition });
            etags.set(value, toHex(put.etag));
            seen = put.etag;
          }
        } catch (error) {
          const code = error instanceof StoreError ? error.code : String(error);
          expect(['CONDITION_FAILED', 'NOT_FOUND']).toContain(code);
          result = error instanceof NameConflict && error.mayHaveHappened ? 'unknown' : 'failed';
        }
      }
      const kind = one.kind as Operation['kind'];
      history.push({ kind, condition, value: kind === 'put' ? value : undefined, from, to: now++, result });
    }
  };
  await Promise.all(plan.map(program));
  return { history, etags };
}

const action = fc.record({
  kind: fc.constantFrom('get', 'put', 'put', 'drop'),
  if: fc.constantFrom('any', 'absent', 'match'),
  waits: fc.nat(3),
});

for (const shardBits of [0, 3]) {
  test(`what programs with one key see of a name fits a single register, with ${2 ** shardBits} shards`, async () => {
    let [unknown, all] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(action, { minLength: 1, maxLength: 4 }), { minLength: 2, maxLength: 3 }),
        async (plan) => {
          const { history, etags } = await race(shardBits, plan);
          all += history.length;
          unknown += history.filter(({ result }) => result === 'unknown').length;
          const start: Register = { value: 'first', etag: etags.get('first')! };
          expect(isLinearizable(history, start, etags), JSON.stringify(history)).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
    // Within a shard it can always be told what a write did, between shards nearly always.
    expect(unknown).toBeLessThanOrEqual(shardBits === 0 ? 0 : all / 10);
  });
}

test('a name or bucket that another program takes away meanwhile is told so', async () => {
  const { chain, ann } = await world(0);
  const other = chain.context();
  const path = { bucket: 'photos', key: 'a' };
  await putName(ann, path, referenceTo('a'));
  const results = await Promise.allSettled([dropName(ann, path), dropName(other, path)]);
  expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  expect((await findName(ann, path)).value).toBeUndefined();
  await deleteBucket(other, 'archive');
  await expectCodeAsync('NOT_FOUND', putName(ann, { bucket: 'archive', key: 'a' }, referenceTo('a')));
});
