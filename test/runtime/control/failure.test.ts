import { describe, expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import { connectionLost, controlFailure, unlessAborted } from '../../../src/runtime/control/failure.ts';
import { codeOf } from '../../suites/network.ts';

const timeout = new DOMException('late', 'TimeoutError');

describe('what libp2p throws', () => {
  test.each([
    ['an error', new Error('read ECONNRESET'), 'here: read ECONNRESET'],
    [
      'an error without words',
      Object.assign(new Error(''), { name: 'StreamResetError' }),
      'here: StreamResetError',
    ],
    ['an event with an error', { type: 'abort', error: new Error('reset') }, 'here: reset'],
    ['an event in an event', { error: { error: new Error('deep') } }, 'here: deep'],
    ['an event without one', new Event('close'), 'here: close'],
    ['several errors in one', new AggregateError([new Error('first'), new Error('second')]), 'here: first'],
    ['text', 'gone', 'here: gone'],
    ['nothing', undefined, 'here: connection lost'],
  ])('%s becomes a StoreError that says what and where', (_name, thrown, message) => {
    expect(controlFailure(thrown, 'UNREACHABLE', 'here')).toMatchObject({ code: 'UNREACHABLE', message });
  });

  test('keeps a StoreError, bare, in an event or as a cause', () => {
    const ours = new StoreError('WRONG_NETWORK', 'other');
    for (const thrown of [ours, { error: ours }, new Error('x', { cause: ours })]) {
      expect(controlFailure(thrown, 'UNREACHABLE', 'here')).toBe(ours);
    }
  });

  test('is TIMEOUT when a time limit of ours ended it, and UNREACHABLE when it ended a connection', () => {
    expect(controlFailure(timeout, 'UNREACHABLE', 'here').code).toBe('TIMEOUT');
    expect(connectionLost({ error: timeout }, 'here').code).toBe('UNREACHABLE');
  });
});

describe('a wait', () => {
  test('ends with what it waited for', async () => {
    expect(await unlessAborted(Promise.resolve(7), new AbortController().signal, 'here')).toBe(7);
  });

  test('ends with the signal, whose reason decides the code', async () => {
    const never = new Promise(() => undefined);
    expect(await codeOf(unlessAborted(never, AbortSignal.abort(), 'here'))).toBe('ABORTED');
    expect(await codeOf(unlessAborted(never, AbortSignal.abort(timeout), 'here'))).toBe('TIMEOUT');
    expect(await codeOf(unlessAborted(never, AbortSignal.abort(new StoreError('CLOSED', 'x')), 'here'))).toBe(
      'CLOSED',
    );
    expect(await codeOf(unlessAborted(never, AbortSignal.timeout(10), 'here'))).toBe('TIMEOUT');
  });
});
