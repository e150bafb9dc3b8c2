// Gathering columns: who is asked, how often, and when it is given up.

import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/base/bytes.ts';
import { type ErrorCode, StoreError } from '../../src/base/errors.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { type Context, DEFAULT_TIMING } from '../../src/client/context.ts';
import { type Candidate, gather, type GatherPlan } from '../../src/client/gather.ts';
import { createHealth } from '../../src/client/health.ts';
import { fastClock } from '../helpers/cluster.ts';
import { expectCodeAsync } from '../helpers/expect-code.ts';

const clock = fastClock(50);
const context = { clock, timing: DEFAULT_TIMING } as unknown as Context;
const candidate = (column: number): Candidate => ({
  column,
  node: new Uint8Array(32).fill(column + 1) as NodeId,
});

/** Gathers 3 of 7 where `answer` says what try number `tries` of a column comes to. */
const gatherFrom = async (
  answer: (column: number, tries: number) => ErrorCode | undefined,
  change: Partial<GatherPlan> = {},
): Promise<{ readonly have: Promise<readonly number[]>; readonly tries: Map<string, number> }> => {
  const tries = new Map<string, number>();
  const have = gather(context, {
    segmentIndex: 0,
    wanted: [0, 1, 2],
    k: 3,
    candidates: [0, 1, 2, 3, 4, 5, 6].map(candidate),
    fetchLength: 1000,
    health: createHealth(clock, DEFAULT_TIMING),
    line: { msPerByte: undefined },
    signal: new AbortController().signal,
    notice: () => undefined,
    fetch: async ({ column, node }) => {
      const count = (tries.get(toHex(node)) ?? 0) + 1;
      tries.set(toHex(node), count);
      const code = answer(column, count);
      if (code !== undefined) throw new StoreError(code, `try ${count} of column ${column}`);
    },
    locate: async () => undefined,
    ...change,
  });
  have.catch(() => undefined);
  return { have, tries };
};

describe('with exactly k living holders', () => {
  for (const code of ['UNREACHABLE', 'TIMEOUT', 'BUSY', 'CLOSED', 'PROTOCOL'] satisfies ErrorCode[]) {
    test(`a failure ${code} that passes is survived`, async () => {
      const { have } = await gatherFrom((column, tries) =>
        column > 2 ? 'NOT_FOUND' : column === 1 && tries === 1 ? code : undefined,
      );
      expect(await have).toEqual([0, 1, 2]);
    });
  }

  test('every one of them may fail in passing', async () => {
    const { have } = await gatherFrom((column, tries) =>
      column < 4 ? 'UNREACHABLE' : tries < 3 ? 'UNREACHABLE' : undefined,
    );
    expect(await have).toEqual([4, 5, 6]);
  });

  test('what others turn out to have is fetched while members that do not answer are still being asked', async () => {
    const { have } = await gatherFrom((column) => (column > 1 ? 'NOT_FOUND' : undefined), {
      fetch: async ({ column, node }) => {
        if (column > 1 && node[0] !== 99) throw new StoreError('NOT_FOUND', 'it is elsewhere');
      },
      locate: async (_asked, signal, found) => {
        found({ column: 5, node: new Uint8Array(32).fill(99) as NodeId });
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      },
    });
    expect(await have).toEqual([0, 1, 5]);
  });
});

describe('a holder that goes on failing', () => {
  test('is asked four times, two when each time takes long, and once when it says no', async () => {
    const codes: readonly ErrorCode[] = ['UNREACHABLE', 'TIMEOUT', 'NOT_FOUND', 'INTEGRITY', 'UNAUTHORIZED'];
    const { have, tries } = await gatherFrom((column) => codes[column] ?? 'DAMAGED');
    await expectCodeAsync('NOT_ENOUGH_PIECES', have);
    expect([...tries.values()]).toEqual([4, 2, 1, 1, 1, 1, 1]);
  });

  test('is not asked again while others are left', async () => {
    const { have, tries } = await gatherFrom((column) => (column < 3 ? 'UNREACHABLE' : undefined));
    expect(await have).toEqual([3, 4, 5]);
    expect([...tries.values()].every((count) => count === 1)).toBe(true);
  });
});
