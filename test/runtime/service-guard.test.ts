import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/base/errors.ts';
import type { NodeId } from '../../src/base/ids.ts';
import { BODY_BUDGET, PIECE_LENGTH_MAX } from '../../src/base/limits.ts';
import type { Service } from '../../src/base/ports.ts';
import { createServiceGuard, type ServiceGuard, type Ticket } from '../../src/runtime/service-guard.ts';

const never = new AbortController().signal;
const empty = new Uint8Array();

function node(index: number): NodeId {
  return new Uint8Array(32).fill(index) as NodeId;
}

function service(overrides: Partial<Service> = {}): Service {
  return {
    name: 'echo',
    maxHeaderLength: 100,
    maxBodyLength: 1000,
    timeoutMs: 1000,
    maxConcurrentPerPeer: 2,
    maxPerSecondPerPeer: 4,
    handle: async (_from, header) => ({ header }),
    ...overrides,
  };
}

/** A guard on a clock that the test moves. */
function guardAt(
  overrides: Partial<Service> = {},
  bodyBudget = 1000,
): { guard: ServiceGuard; wait: (ms: number) => void } {
  let now = 0;
  const guard = createServiceGuard({ bodyBudget, peersMax: 3, monotonic: () => now });
  guard.serve(service(overrides));
  return { guard, wait: (ms) => (now += ms) };
}

function enterAs(guard: ServiceGuard, peers: readonly number[]): Ticket[] {
  return peers.map((index) => guard.enter(node(index), 'echo', 0, 0));
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as StoreError).code;
  }
  return 'none';
}

describe('entering', () => {
  test('an unknown service is UNSUPPORTED, and its name is not echoed unless it is a name', () => {
    const { guard } = guardAt();
    expect(codeOf(() => guard.enter(node(1), 'other', 0, 0))).toBe('UNSUPPORTED');
    expect(() => guard.enter(node(1), '\u001b[2J', 0, 0)).toThrow('this node has no service of that name');
  });

  test('a name is taken once, and must be a name', () => {
    const { guard } = guardAt();
    expect(codeOf(() => guard.serve(service()))).toBe('INVALID_ARGUMENT');
    for (const name of ['', 'Echo', 'a b', '-x', 'x'.repeat(65)]) {
      expect(codeOf(() => guard.serve(service({ name })))).toBe('INVALID_ARGUMENT');
    }
  });

  test('lengths beyond the bounds of the service are PROTOCOL, the bounds themselves are fine', () => {
    const { guard } = guardAt();
    expect(codeOf(() => guard.enter(node(1), 'echo', 101, 0))).toBe('PROTOCOL');
    expect(codeOf(() => guard.enter(node(1), 'echo', 0, 1001))).toBe('PROTOCOL');
    expect(codeOf(() => guard.enter(node(1), 'echo', 100, 1000))).toBe('none');
  });

  test('a peer has so many requests under way and no more; another peer is not affected', () => {
    const { guard } = guardAt();
    const first = guard.enter(node(1), 'echo', 0, 0);
    guard.enter(node(1), 'echo', 0, 0);
    expect(codeOf(() => guard.enter(node(1), 'echo', 0, 0))).toBe('BUSY');
    expect(codeOf(() => guard.enter(node(2), 'echo', 0, 0))).toBe('none');
    first.release();
    expect(codeOf(() => guard.enter(node(1), 'echo', 0, 0))).toBe('none');
  });

  test('a peer may burst to twice its rate and is then held to the rate', () => {
    const { guard, wait } = guardAt();
    const ask = (): string => codeOf(() => guard.enter(node(1), 'echo', 0, 0).release());
    expect(Array.from({ length: 9 }, ask)).toEqual([...Array<string>(8).fill('none'), 'BUSY']);
    wait(250);
    expect([ask(), ask()]).toEqual(['none', 'BUSY']);
    wait(1_000_000);
    expect(Array.from({ length: 9 }, ask).filter((code) => code === 'none')).toHaveLength(8);
  });

  test('peers beyond the bound are refused while the known ones are recent, and the idle are forgotten', () => {
    const { guard, wait } = guardAt();
    const busy = guard.enter(node(1), 'echo', 0, 0);
    guard.enter(node(2), 'echo', 0, 0).release();
    guard.enter(node(3), 'echo', 0, 0).release();
    expect(codeOf(() => guard.enter(node(4), 'echo', 0, 0))).toBe('BUSY');
    wait(2000);
    expect(codeOf(() => guard.enter(node(4), 'echo', 0, 0))).toBe('none');
    busy.release();
    expect(guard.active).toBe(1);
  });
});

describe('memory', () => {
  test('all peers together hold at most the budget of each use, and release gives back', async () => {
    const { guard } = guardAt();
    const [a, b, c] = enterAs(guard, [1, 2, 3]);
    await a!.reserve(500, 'reply');
    await b!.reserve(400, 'reply');
    await expect(c!.reserve(101, 'reply')).rejects.toMatchObject({ code: 'BUSY' });
    await c!.reserve(100, 'reply');
    await c!.reserve(1000, 'upload');
    await expect(a!.reserve(1, 'upload')).rejects.toMatchObject({ code: 'BUSY' });
    expect(guard.heldBytes).toBe(2000);
    for (const ticket of [a, b, c, a]) ticket!.release();
    expect(guard.heldBytes).toBe(0);
    expect(guard.active).toBe(0);
  });

  test('one peer holds one of the largest pieces of each use, over all its requests, and no more', async () => {
    const guard = createServiceGuard();
    guard.serve(service());
    const [first, second, other] = enterAs(guard, [1, 1, 2]);
    await first!.reserve(PIECE_LENGTH_MAX - 10, 'reply');
    await expect(second!.reserve(11, 'reply')).rejects.toThrow('your share');
    await second!.reserve(10, 'reply');
    await second!.reserve(PIECE_LENGTH_MAX, 'upload');
    await other!.reserve(PIECE_LENGTH_MAX, 'reply');
  });

  test('strangers who hold all they can leave room for the largest piece of a member', async () => {
    const guard = createServiceGuard({ isMember: (from) => from[0] === 9 });
    guard.serve(service());
    const strangers = enterAs(guard, [1, 2, 3, 4, 5]);
    const step = PIECE_LENGTH_MAX / 16;
    const fill = async (ticket: Ticket): Promise<never> => {
      for (;;) await ticket.reserve(step, 'reply');
    };
    for (const stranger of strangers) await expect(fill(stranger)).rejects.toMatchObject({ code: 'BUSY' });
    await expect(strangers.at(-1)!.reserve(step, 'reply')).rejects.toThrow('this node');
    const [member] = enterAs(guard, [9]);
    await member!.reserve(PIECE_LENGTH_MAX, 'reply');
    expect(guard.heldBytes).toBeLessThanOrEqual(BODY_BUDGET);
  });

  test('that is lacking is asked of the lanes until it suffices, but not for a peer that has its share', async () => {
    const { guard } = guardAt();
    const [first, second, third] = enterAs(guard, [1, 2, 3]);
    for (const ticket of [first, second]) await ticket!.reserve(500, 'reply');
    const holders = [first!, second!];
    const asked: string[] = [];
    const end = guard.onLack((use) => {
      asked.push(use);
      const holder = holders.shift();
      // As in a lane, where an exchange ends a little later than it is told to.
      if (holder !== undefined) queueMicrotask(() => holder.release());
      return holder !== undefined;
    });
    await third!.reserve(1000, 'reply');
    expect(asked).toEqual(['reply', 'reply']);
    await expect(third!.reserve(1, 'reply')).rejects.toThrow('your share');
    expect(asked).toHaveLength(2);
    end();
  });
});

describe('running', () => {
  test('the handler gets peer, header and body, and its reply comes back', async () => {
    const { guard } = guardAt({ handle: async (from, header, body) => ({ header, body: [from, body] }) });
    const ticket = guard.enter(node(1), 'echo', 1, 1);
    await ticket.admit(new Uint8Array([7]), 1, never);
    const reply = await ticket.handle(new Uint8Array([7]), new Uint8Array([8]), never);
    expect(reply).toEqual({ header: new Uint8Array([7]), body: [node(1), new Uint8Array([8])] });
  });

  test("a service that throws, at once or later, is the exchange's refusal", async () => {
    const refusal = new StoreError('FULL', 'no space');
    const { guard } = guardAt({
      admit: () => {
        throw refusal;
      },
      handle: () => Promise.reject(refusal),
    });
    const ticket = guard.enter(node(1), 'echo', 0, 0);
    await expect(ticket.admit(empty, 0, never)).rejects.toBe(refusal);
    await expect(ticket.handle(empty, empty, never)).rejects.toBe(refusal);
  });

  test('a handler over its time is told to stop; slot and bytes stay taken until it has really ended', async () => {
    const end = Promise.withResolvers<{ header: Uint8Array }>();
    let told: AbortSignal | undefined;
    const { guard } = guardAt({
      timeoutMs: 20,
      handle: (_from, _header, _body, signal) => {
        told = signal;
        return end.promise;
      },
    });
    const ticket = guard.enter(node(1), 'echo', 0, 0);
    await ticket.reserve(10, 'upload');
    await expect(ticket.handle(empty, empty, never)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(told?.aborted).toBe(true);
    ticket.release();
    expect([guard.active, guard.heldBytes]).toEqual([1, 10]);
    end.resolve({ header: empty });
    await new Promise(setImmediate);
    expect([guard.active, guard.heldBytes]).toEqual([0, 0]);
  });

  test('a caller that goes away stops the handler, even one that went before it began', async () => {
    const { guard } = guardAt({
      handle: (_from, _header, _body, signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener('abort', () => reject(signal.reason as Error)),
        ),
    });
    const caller = new AbortController();
    const running = guard.enter(node(1), 'echo', 0, 0).handle(empty, empty, caller.signal);
    caller.abort();
    await expect(running).rejects.toMatchObject({ code: 'ABORTED' });
    const late = guard.enter(node(2), 'echo', 0, 0).handle(empty, empty, AbortSignal.abort());
    await expect(late).rejects.toMatchObject({ code: 'ABORTED' });
  });
});
