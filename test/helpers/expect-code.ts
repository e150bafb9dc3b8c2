// Asserts that something fails with one code of the closed list, and gives the error for further looks.

import { expect } from 'vitest';
import { type ErrorCode, StoreError } from '../../src/base/errors.ts';

export function expectCode(code: ErrorCode, run: () => unknown): StoreError {
  let caught: unknown;
  try {
    run();
  } catch (error) {
    caught = error;
  }
  return checked(code, caught);
}

export async function expectCodeAsync(code: ErrorCode, promise: Promise<unknown>): Promise<StoreError> {
  const caught = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  return checked(code, caught);
}

function checked(code: ErrorCode, caught: unknown): StoreError {
  expect(caught, `expected a StoreError ${code}`).toBeInstanceOf(StoreError);
  const error = caught as StoreError;
  expect(error.code, error.message).toBe(code);
  return error;
}
