import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { asStoreError, describe, EXIT, EXIT_CODES_TOPIC, exitCodeOf, reasonOf } from '../../cli/errors.ts';
import { ERROR_CODES, StoreError } from '../../src/base/errors.ts';

test('every error code has a documented exit code and a next step', () => {
  const documented = new Set(
    [...EXIT_CODES_TOPIC.matchAll(/^ {2}(\d+) /gm)].map((match) => Number(match[1])),
  );
  for (const code of ERROR_CODES) {
    const exit = exitCodeOf(code);
    expect(exit, code).toBeGreaterThan(0);
    expect(documented, code).toContain(exit);
    expect(describe(new StoreError(code, 'x')).next, code).toMatch(/[.!?]$/);
  }
  expect(documented).toEqual(new Set(Object.values(EXIT)));
});

test('the exit codes are what scripts rely on', () => {
  const codes = [
    'INVALID_ARGUMENT',
    'NOT_FOUND',
    'TIMEOUT',
    'FULL',
    'INTEGRITY',
    'WRONG_KEY',
    'ALREADY_EXISTS',
  ] as const;
  expect(codes.map(exitCodeOf)).toEqual([2, 3, 5, 6, 7, 8, 9]);
  expect((['NOT_ENOUGH_PIECES', 'NOT_ENOUGH_OPERATORS', 'ABORTED'] as const).map(exitCodeOf)).toEqual([
    10, 10, 130,
  ]);
});

test('docs/cli.md has the table of error codes as the program knows it', () => {
  const page = readFileSync(new URL('../../docs/cli.md', import.meta.url), 'utf8');
  for (const code of ERROR_CODES) {
    const row = new RegExp(`^\\| ${exitCodeOf(code)} \\|.*\`${code}\``, 'm');
    expect(page, `docs/cli.md: ${code} belongs in the row of exit code ${exitCodeOf(code)}`).toMatch(row);
  }
});

test('what is not ours becomes a defect, what the system refused does not', () => {
  expect(asStoreError(new TypeError('x')).code).toBe('INTERNAL');
  const full = Object.assign(new Error('no space'), { code: 'ENOSPC', syscall: 'mkdir', path: '/x' });
  expect(asStoreError(full)).toMatchObject({ code: 'DISK', message: 'cannot use /x: no space' });
  expect(asStoreError(Object.assign(new Error('stop'), { name: 'AbortError' })).code).toBe('ABORTED');
});

test('the reason is shown only where it adds to the message', () => {
  expect(reasonOf(new StoreError('DISK', 'writing failed', { cause: new Error('EIO') }))).toBe('EIO');
  expect(
    reasonOf(new StoreError('DISK', 'writing failed: EIO', { cause: new Error('EIO') })),
  ).toBeUndefined();
  expect(reasonOf(new StoreError('DISK', 'x'))).toBeUndefined();
});
