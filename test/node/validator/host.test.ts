// The host, driven by an engine whose every answer the test writes down and by ports that the test answers for.

import { beforeEach, describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { HOST_INPUTS_WAITING_MAX, PHASE_MAX_MS } from '../../../src/base/limits.ts';
import type {
  BlockId,
  Effect,
  HeightStart,
  Input,
  Message,
  Proposal,
  UnsignedMessage,
  Vote,
} from '../../../src/consensus/types.ts';
import { type HostEngine, ValidatorHost } from '../../../src/node/validator/host.ts';
import type { Decision } from '../../../src/node/validator/host-ports.ts';
import { A, B, commit, heightStart, prevote, proposal } from '../../helpers/agreement.ts';
import { expectCode } from '../../helpers/expect-code.ts';
import { HandClock } from './hand-clock.ts';

/** A block whose id is the hex digit in its first byte, repeated. */
const blockOf = (id: BlockId): Uint8Array => new Uint8Array([Number.parseInt(id[0]!, 16), 7]);
const idOf = (block: Uint8Array): BlockId => block[0]!.toString(16).repeat(64) as BlockId;

function unsigned(message: Vote | Proposal): UnsignedMessage {
  const { signature: _signature, ...said } = message;
  return said;
}
const timeoutOf = (round: number): Input => ({ kind: 'timeout', timeout: 'propose', height: 1, round });
const told = (message: Message): Input => ({ kind: 'message', message });
const disk = new StoreError('DISK', 'the disk is gone');

type SyncDone = (error?: StoreError) => void;
type SignDone = (result: Vote | Proposal | StoreError) => void;

/** Everything the host asked for, in order, and the answers that are due. */
class Desk {
  readonly calls: string[] = [];
  readonly inputs: Input[] = [];
  readonly clock = new HandClock();
  readonly observed: Message[] = [];
  readonly failures: StoreError[] = [];
  syncs: SyncDone[] = [];
  starts: SyncDone[] = [];
  signs: { message: UnsignedMessage; done: SignDone }[] = [];
  values: ((block: Uint8Array) => void)[] = [];
  judged: { block: Uint8Array; done: (isValid: boolean) => void }[] = [];
  fetches: { holders: readonly number[]; done: (block: Uint8Array | undefined) => void }[] = [];
  decided: { decision: Decision; done: (next: HeightStart) => void }[] = [];
  decisions = new Map<number, Decision>();
  verdict: 'accept' | 'ignore' | 'reject' = 'accept';
  resumed: readonly Effect[] = [];
  /** What the engine answers to the next inputs. */
  script: (readonly Effect[])[] = [];

  readonly engine: HostEngine<number> = {
    initial: 0,
    step: (state, input) => {
      this.inputs.push(input);
      return { state: state + 1, effects: this.script.shift() ?? [] };
    },
    resume: () => this.resumed,
    judge: (_state, message) =>
      this.verdict === 'accept'
        ? { verdict: 'accept', message: message as never }
        : this.verdict === 'ignore'
          ? { verdict: 'ignore', reason: 'known' }
          : { verdict: 'reject', reason: 'bad-signature' },
  };

  readonly host: ValidatorHost<number> = new ValidatorHost(this.engine, {
    wal: {
      append: (input) => this.calls.push(`append ${input.kind}`),
      sync: (done) => {
        this.calls.push('sync');
        this.syncs.push(done);
      },
      startHeight: (start, done) => {
        this.calls.push(`log ${start.height}`);
        this.starts.push(done);
      },
      close: async () => undefined,
    },
    signer: {
      sign: (message, done) => {
        this.calls.push(`sign ${message.kind} ${message.height}/${message.round}`);
        this.signs.push({ message, done });
      },
      observe: (message) => this.observed.push(message),
      close: async () => undefined,
    },
    transport: {
      broadcast: (message, block) =>
        this.calls.push(`broadcast ${message.kind}${block === undefined ? '' : ' with block'}`),
      send: (to, message) => this.calls.push(`send ${message.kind} ${message.height} to ${to}`),
    },
    timers: { schedule: (delayMs, run) => this.clock.schedule(delayMs, run) },
    application: {
      requestValue: (_height, _round, done) => this.values.push(done),
      judge: (_height, _blockId, block, done) => this.judged.push({ block, done }),
      fetch: (_height, _blockId, holders, done) => this.fetches.push({ holders, done }),
      decided: (_height, decision, done) => this.decided.push({ decision, done }),
      decision: (height, done) => done(this.decisions.get(height)),
    },
    events: {
      evidence: (evidence) => this.calls.push(`evidence ${evidence.kind}`),
      foreignSignature: (message) => this.calls.push(`foreign ${message.kind}`),
      refused: (_message, error) => this.calls.push(`refused ${error.code}`),
      failed: (error) => this.failures.push(error),
    },
    blockId: idOf,
  });

  /** At work on height 1, with nothing to do. */
  begin(): void {
    this.host.start([], heightStart());
    this.starts.shift()!();
    this.calls.length = 0;
    this.inputs.length = 0;
  }

  /** Has the engine answer the next input with `effects`, and gives it one. */
  perform(...effects: readonly Effect[]): void {
    this.script.push(effects);
    this.host.receive(prevote(1, 0, null));
  }
}

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});

describe('starting', () => {
  test('the log of a height holds its start before the engine hears of it', () => {
    desk.host.start([], heightStart());
    expect(desk.calls).toEqual(['log 1']);
    expect(desk.inputs).toEqual([]);
    desk.starts.shift()!();
    expect(desk.inputs).toEqual([{ kind: 'start-height', start: heightStart() }]);
  });

  test('a replay feeds the log again, leaves its effects undone, and then does what the engine says', () => {
    const logged: Input[] = [{ kind: 'start-height', start: heightStart() }, timeoutOf(0)];
    desk.script = [[{ kind: 'persist' }], [{ kind: 'sign', message: unsigned(prevote(0, 0, null)) }]];
    desk.resumed = [{ kind: 'broadcast', message: prevote(0, 0, null) }];
    desk.host.start(logged, heightStart());
    expect(desk.inputs).toEqual(logged);
    expect(desk.calls).toEqual(['broadcast prevote']);
  });

  test('a replay has its blocks out of the store before it goes on', () => {
    const logged: Input[] = [
      { kind: 'start-height', start: heightStart() },
      { kind: 'value', height: 1, round: 0, blockId: A },
      { kind: 'verdict', height: 1, blockId: B, isValid: false },
    ];
    desk.resumed = [{ kind: 'broadcast', message: proposal(0, 0, A) }];
    desk.host.start(logged, heightStart());
    desk.host.receive(prevote(1, 0, null));
    expect(desk.fetches.map(({ holders }) => holders)).toEqual([[]]);
    expect(desk.calls).toEqual([]);
    desk.fetches[0]!.done(blockOf(A));
    expect(desk.calls).toEqual(['broadcast proposal with block']);
    expect(desk.inputs.at(-1)).toEqual(told(prevote(1, 0, null)));
  });

  test('the log of a height that the application has decided has served its time', () => {
    desk.host.start([{ kind: 'start-height', start: heightStart() }], heightStart({ height: 2 }));
    expect(desk.calls).toEqual(['log 2']);
  });

  test('a log that is ahead of the application is DAMAGED', () => {
    const logged: Input[] = [{ kind: 'start-height', start: heightStart({ height: 3 }) }];
    expectCode('DAMAGED', () => desk.host.start(logged, heightStart({ height: 2 })));
  });
});

describe('a log that is short of what the guard knows', () => {
  const signs = (height: number): Effect => ({
    kind: 'sign',
    message: unsigned(prevote(0, 1, null, { height })),
  });
  const begin = (isAmong: boolean, lastHeight: number): void => {
    const logged: Input[] = [{ kind: 'start-height', start: heightStart() }, timeoutOf(0)];
    desk.script = [[], [{ kind: 'sign', message: unsigned(prevote(0, 0, A)) }]];
    const asked: UnsignedMessage[][] = [];
    const last = {
      height: lastHeight,
      isAmong: (messages: readonly UnsignedMessage[]) => {
        asked.push([...messages]);
        return isAmong;
      },
    };
    desk.host.start(logged, heightStart(), last);
    expect(asked).toEqual(lastHeight < 1 ? [] : [[unsigned(prevote(0, 0, A))]]);
  };

  test('makes the validator silent up to the height of its last signature', () => {
    begin(false, 2);
    desk.perform(signs(1), signs(2), signs(3));
    expect(desk.calls).toEqual(['sign prevote 3/1']);
  });

  test('is not written on: it would look as if it had asked', () => {
    begin(false, 1);
    desk.perform({ kind: 'append', input: timeoutOf(0) }, { kind: 'persist' }, signs(1));
    expect(desk.calls).toEqual([]);
  });

  test('makes own words look foreign, which is left to the guard', () => {
    begin(false, 1);
    desk.perform({ kind: 'foreign-signature', message: prevote(0, 0, A) }, signs(2));
    expect(desk.calls).toEqual(['sign prevote 2/1']);
  });

  test('is not the one that asked for it', () => {
    begin(true, 1);
    desk.perform(signs(1));
    expect(desk.calls).toEqual(['sign prevote 1/1']);
  });

  test('is not the one of a later height', () => {
    begin(false, 0);
    desk.perform(signs(1));
    expect(desk.calls).toEqual(['sign prevote 1/1']);
  });
});

describe('effects', () => {
  beforeEach(() => desk.begin());

  test('happen in order, and none before the one in front of it has ended', () => {
    desk.perform(
      { kind: 'append', input: timeoutOf(0) },
      { kind: 'persist' },
      { kind: 'broadcast', message: prevote(0, 0, null) },
    );
    expect(desk.calls).toEqual(['append timeout', 'sync']);
    desk.syncs.shift()!();
    expect(desk.calls).toEqual(['append timeout', 'sync', 'broadcast prevote']);
  });

  test('hold back what happens meanwhile', () => {
    desk.perform({ kind: 'persist' });
    desk.host.receive(prevote(2, 0, null));
    desk.host.receive(prevote(3, 0, null));
    expect(desk.inputs).toHaveLength(1);
    desk.syncs.shift()!();
    expect(desk.inputs).toEqual([1, 2, 3].map((validator) => told(prevote(validator, 0, null))));
  });

  test('what was signed goes to the engine before anything that came meanwhile', () => {
    desk.perform({ kind: 'sign', message: unsigned(prevote(0, 0, A)) });
    desk.host.receive(prevote(2, 0, null));
    desk.signs.shift()!.done(prevote(0, 0, A));
    expect(desk.inputs.slice(1)).toEqual([
      { kind: 'signed', message: prevote(0, 0, A) },
      told(prevote(2, 0, null)),
    ]);
  });

  test('of two signatures the first is in the log before the guard moves on', () => {
    desk.perform(
      { kind: 'sign', message: unsigned(proposal(0, 0, A)) },
      { kind: 'sign', message: unsigned(prevote(0, 0, A)) },
    );
    desk.signs.shift()!.done(proposal(0, 0, A));
    expect(desk.calls).toEqual(['sign proposal 1/0', 'append signed', 'sync']);
    desk.syncs.shift()!();
    expect(desk.calls.at(-1)).toBe('sign prevote 1/0');
    desk.signs.shift()!.done(prevote(0, 0, A));
    expect(desk.inputs.slice(1).map(({ kind }) => kind)).toEqual(['signed', 'signed']);
  });

  test('time-outs come back as inputs, unless they were cancelled', () => {
    const arm = (round: number): Effect => ({
      kind: 'schedule-timeout',
      timeout: 'propose',
      height: 1,
      round,
      durationMs: 100,
    });
    desk.perform(arm(0), { kind: 'cancel-timeouts' }, arm(1));
    desk.clock.advance(99);
    expect(desk.inputs).toHaveLength(1);
    desk.clock.advance(1);
    expect(desk.inputs.slice(1)).toEqual([timeoutOf(1)]);
  });

  test('a value is held before the engine hears of it, and its proposal travels with it', () => {
    desk.perform({ kind: 'request-value', height: 1, round: 0 });
    desk.script = [[{ kind: 'broadcast', message: proposal(0, 0, A) }]];
    desk.values[0]!(blockOf(A));
    expect(desk.inputs.at(-1)).toEqual({ kind: 'value', height: 1, round: 0, blockId: A });
    expect(desk.calls).toEqual(['broadcast proposal with block']);
  });

  test('evidence is passed on', () => {
    const evidence = { kind: 'double-vote', first: prevote(1, 0, A), second: prevote(1, 0, B) } as const;
    desk.perform({ kind: 'evidence', evidence });
    expect(desk.calls).toEqual(['evidence double-vote']);
  });
});

describe('blocks', () => {
  const validate: Effect = { kind: 'validate', height: 1, blockId: A, holders: [1, 2] };
  beforeEach(() => desk.begin());

  test('one that came with its proposal is judged at once', () => {
    desk.script = [[validate]];
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    expect(desk.judged[0]!.block).toEqual(blockOf(A));
    desk.judged[0]!.done(true);
    expect(desk.inputs.at(-1)).toEqual({ kind: 'verdict', height: 1, blockId: A, isValid: true });
  });

  test('another than its message names is as good as none', () => {
    desk.script = [[validate]];
    desk.host.receive(proposal(1, 0, A), blockOf(B));
    expect(desk.judged).toEqual([]);
    expect(desk.fetches[0]!.holders).toEqual([1, 2]);
    desk.fetches[0]!.done(blockOf(B));
    expect(desk.judged).toEqual([]);
  });

  test('one that is missing is asked for until it is there, and judged once', () => {
    desk.perform(validate);
    desk.fetches[0]!.done(undefined);
    desk.perform({ ...validate, holders: [3] });
    desk.clock.advance(1000);
    expect(desk.fetches.map(({ holders }) => holders)).toEqual([[1, 2], [3]]);
    desk.fetches[1]!.done(blockOf(A));
    expect(desk.judged).toHaveLength(1);
  });

  test('one that is wanted is taken beside a message that is known already, an unwanted one is not', () => {
    desk.perform(validate);
    desk.verdict = 'ignore';
    desk.host.receive(proposal(1, 0, B), blockOf(B));
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    expect(desk.judged).toHaveLength(1);
    desk.verdict = 'accept';
    desk.perform({ ...validate, blockId: B });
    expect(desk.fetches).toHaveLength(2);
  });

  test('one beside a rejected message is not looked at', () => {
    desk.perform(validate);
    desk.verdict = 'reject';
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    expect(desk.judged).toEqual([]);
  });
});

describe('the end of a height', () => {
  const decide: Effect = { kind: 'decide', height: 1, blockId: A, certificate: commit(0, A, [0, 1, 2]) };
  beforeEach(() => desk.begin());

  test('goes to the application with its block; the next has a log of its own', () => {
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    desk.perform(decide);
    expect(desk.decided[0]!.decision).toEqual({ certificate: commit(0, A, [0, 1, 2]), block: blockOf(A) });
    desk.host.receive(prevote(2, 0, null));
    desk.decided[0]!.done(heightStart({ height: 2 }));
    expect(desk.calls).toEqual(['log 2']);
    desk.host.receive(prevote(3, 0, null, { height: 2 }));
    desk.starts.shift()!();
    expect(desk.host.height).toBe(2);
    expect(desk.inputs.slice(-2)).toEqual([
      { kind: 'start-height', start: heightStart({ height: 2 }) },
      told(prevote(3, 0, null, { height: 2 })),
    ]);
  });

  test('without its block waits for one of the signers to give it', () => {
    desk.perform(decide);
    expect(desk.fetches[0]!.holders).toEqual([0, 1, 2]);
    expect(desk.decided).toEqual([]);
    desk.fetches[0]!.done(blockOf(A));
    expect(desk.decided[0]!.decision.block).toEqual(blockOf(A));
  });

  test('the log does not change hands in the middle of an input', () => {
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    desk.perform(decide);
    desk.perform({ kind: 'persist' }, { kind: 'append', input: timeoutOf(0) });
    desk.decided[0]!.done(heightStart({ height: 2 }));
    expect(desk.calls).toEqual(['sync']);
    desk.syncs.shift()!();
    expect(desk.calls).toEqual(['sync', 'append timeout', 'log 2']);
  });

  test('who is behind gets one decision after the other until it has caught up, and no second stream of them', () => {
    for (const height of [1, 2]) {
      const certificate = commit(0, A, [0, 1, 2], { height });
      desk.decisions.set(height, { certificate, block: blockOf(A) });
    }
    const help: Effect = { kind: 'send-decision', to: 3, height: 1 };
    desk.perform(help, help);
    expect(desk.calls).toEqual(['send commit-certificate 1 to 3']);
    desk.clock.advance(1000);
    expect(desk.calls.slice(1)).toEqual(['send commit-certificate 1 to 3', 'send commit-certificate 2 to 3']);
    desk.perform(help);
    expect(desk.calls).toHaveLength(4);
  });
});

describe('a validator falls silent', () => {
  const sign = (height: number, round: number): Effect => ({
    kind: 'sign',
    message: unsigned(prevote(0, round, null, { height })),
  });
  beforeEach(() => desk.begin());

  test('for the height, when its guard refuses', () => {
    desk.perform(sign(1, 0), sign(1, 1));
    desk.signs[0]!.done(new StoreError('ALREADY_EXISTS', 'signed otherwise'));
    expect(desk.calls).toEqual(['sign prevote 1/0', 'refused ALREADY_EXISTS']);
    desk.host.receive(proposal(1, 0, A), blockOf(A));
    desk.perform({ kind: 'decide', height: 1, blockId: A, certificate: commit(0, A, [1, 2, 3]) });
    desk.decided[0]!.done(heightStart({ height: 2 }));
    desk.starts.shift()!();
    desk.perform(sign(2, 0));
    expect(desk.signs).toHaveLength(2);
  });

  test('for good, when a second copy of its key is at work', () => {
    desk.perform({ kind: 'foreign-signature', message: prevote(0, 0, A) }, sign(1, 0), sign(2, 0));
    expect(desk.calls).toEqual(['foreign prevote']);
  });

  test('its guard hears what comes under its own key', () => {
    desk.host.receive(prevote(0, 0, A));
    desk.host.receive(prevote(1, 0, A));
    expect(desk.observed).toEqual([prevote(0, 0, A)]);
  });

  test('its guard hears nothing of the height to come, where its number may be the one of another', () => {
    desk.host.receive({ ...prevote(0, 0, A), height: 2 });
    expect(desk.observed).toEqual([]);
  });
});

describe('bounds and ends', () => {
  beforeEach(() => desk.begin());

  test('messages beyond the bound are dropped while the log is synced, time-outs are not', () => {
    desk.perform(
      { kind: 'schedule-timeout', timeout: 'propose', height: 1, round: 0, durationMs: 1 },
      { kind: 'persist' },
    );
    for (let i = 0; i < HOST_INPUTS_WAITING_MAX + 10; i++) desk.host.receive(prevote(2, 0, null));
    desk.host.receive(prevote(0, 0, null));
    expect(desk.observed).toHaveLength(1);
    desk.clock.advance(1);
    desk.syncs.shift()!();
    expect(desk.inputs).toHaveLength(1 + HOST_INPUTS_WAITING_MAX + 1);
    expect(desk.inputs.at(-1)).toEqual(timeoutOf(0));
  });

  test.each(['sync', 'sign', 'log'])('after a failed %s nothing is done any more', (port) => {
    if (port === 'sync') {
      desk.perform({ kind: 'persist' }, { kind: 'broadcast', message: prevote(0, 0, A) });
      desk.syncs.shift()!(disk);
    } else if (port === 'sign') {
      desk.perform({ kind: 'sign', message: unsigned(prevote(0, 0, A)) });
      desk.signs.shift()!.done(disk);
    } else {
      desk.host.receive(proposal(1, 0, A), blockOf(A));
      desk.perform({ kind: 'decide', height: 1, blockId: A, certificate: commit(0, A, [1, 2, 3]) });
      desk.decided[0]!.done(heightStart({ height: 2 }));
      desk.starts.shift()!(disk);
    }
    expect(desk.failures).toEqual([disk]);
    const before = [desk.inputs.length, desk.calls.length];
    desk.host.receive(prevote(2, 0, null));
    desk.clock.advance(10_000);
    expect([desk.inputs.length, desk.calls.length]).toEqual(before);
  });

  test('a decision for what is invalid here is the end: nothing follows, and the operator is told why', () => {
    const certificate = commit(0, A, [1, 2, 3]);
    desk.perform(
      { kind: 'halt', reason: 'commit-of-invalid-block', height: 1, blockId: A, certificate },
      { kind: 'broadcast', message: certificate },
    );
    const [failure] = desk.failures;
    expect(failure).toMatchObject({ code: 'INTERNAL' });
    expect(failure!.message).toContain(`block ${A} at height 1`);
    expect(failure!.next).toContain('more than a third');
    const heard = desk.inputs.length;
    desk.host.receive(prevote(2, 0, null));
    expect(desk.inputs).toHaveLength(heard);
    expect(desk.calls).toEqual([]);
  });

  test('a phase of a late round lasts no longer than a timer can', () => {
    desk.perform({
      kind: 'schedule-timeout',
      timeout: 'propose',
      height: 1,
      round: 9,
      durationMs: PHASE_MAX_MS + 1,
    });
    desk.clock.advance(PHASE_MAX_MS - 1);
    expect(desk.inputs).toHaveLength(1);
    desk.clock.advance(1);
    expect(desk.inputs.at(-1)).toEqual(timeoutOf(9));
  });

  test('answers that come after it was stopped change nothing', () => {
    desk.perform({ kind: 'validate', height: 1, blockId: A, holders: [1] });
    desk.perform({ kind: 'request-value', height: 1, round: 0 }, { kind: 'persist' });
    desk.host.stop();
    desk.fetches[0]!.done(blockOf(A));
    desk.values[0]!(blockOf(B));
    desk.syncs[0]!();
    expect(desk.judged).toEqual([]);
    expect(desk.inputs).toHaveLength(2);
    expect(desk.clock.waiting).toBe(0);
  });
});
