import { describe, expect, test } from 'vitest';
import { assert, AssertionError, unreachable } from '../../src/base/assert.ts';
import { ERROR_CODES, isErrorCode, StoreError, toStoreError } from '../../src/base/errors.ts';

describe('a StoreError', () => {
  test('carries code, message, next step and cause', () => {
    const cause = new Error('below');
    const error = new StoreError('FULL', 'the disk of node 01234567 is full', {
      next: 'Free some space.',
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect([error.name, error.code, error.message, error.next, error.cause]).toEqual([
      'StoreError',
      'FULL',
      'the disk of node 01234567 is full',
      'Free some space.',
      cause,
    ]);
  });

  test('has no cause when none was given, so that nothing prints "cause: undefined"', () => {
    expect('cause' in new StoreError('FULL', 'x')).toBe(false);
  });

  test('says whether the same call may succeed later', () => {
    const retryable = ERROR_CODES.filter((code) => new StoreError(code, 'x').isRetryable);
    expect(retryable).toEqual([
      'NOT_ENOUGH_PIECES',
      'NOT_ENOUGH_CONFIRMATIONS',
      'BUSY',
      'TIMEOUT',
      'UNREACHABLE',
    ]);
  });
});

test('codes are a closed list without doubles, in the form that programs compare', () => {
  expect(new Set(ERROR_CODES).size).toBe(ERROR_CODES.length);
  for (const code of ERROR_CODES) {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(isErrorCode(code)).toBe(true);
  }
  for (const foreign of ['', 'full', 'ENOENT', 'toString', 7, null, undefined])
    expect(isErrorCode(foreign)).toBe(false);
});

describe('wrapping what the environment throws', () => {
  test('leaves a StoreError alone', () => {
    const error = new StoreError('BUSY', 'x');
    expect(toStoreError(error, 'DISK', 'writing')).toBe(error);
  });

  test('turns an abort into ABORTED and a timeout into TIMEOUT, whatever the caller expected', () => {
    expect(toStoreError(AbortSignal.abort().reason, 'DISK', 'reading').code).toBe('ABORTED');
    expect(toStoreError(new DOMException('late', 'TimeoutError'), 'DISK', 'reading').code).toBe('TIMEOUT');
  });

  test('keeps the reason as message and cause', () => {
    const cause = new Error('ENOSPC');
    const error = toStoreError(cause, 'DISK', 'writing piece 3');
    expect([error.code, error.message, error.cause]).toEqual(['DISK', 'writing piece 3: ENOSPC', cause]);
    expect(toStoreError('text', 'INTERNAL', 'x').message).toBe('x: text');
    expect(toStoreError(undefined, 'INTERNAL', 'x').message).toBe('x: undefined');
  });
});

test('a broken invariant is no StoreError: nobody may handle it', () => {
  expect(() => assert(false, 'two and two are four')).toThrow(
    new AssertionError('invariant broken: two and two are four'),
  );
  expect(() => assert(true, 'fine')).not.toThrow();
  expect(() => unreachable('odd' as never)).toThrow(AssertionError);
  expect(new AssertionError('x')).not.toBeInstanceOf(StoreError);
});
