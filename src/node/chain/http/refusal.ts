// Errors of the HTTP interface: a StoreError, and the status that fits it.

import { type ErrorCode, StoreError } from '../../../base/errors.ts';
import type { JsonObject } from './json.ts';

/** The status of each code. Codes of what only clients of storage meet are defects here. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  INVALID_ARGUMENT: 400,
  INVALID_URI: 400,
  INVALID_CONFIG: 500,
  INVALID_IDENTITY: 500,
  INVALID_ENCODING: 400,
  INVALID_SIGNATURE: 400,
  INTEGRITY: 500,
  WRONG_KEY: 500,
  WRONG_NETWORK: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  CONDITION_FAILED: 409,
  EXPIRED: 410,
  REFUSED: 422,
  NOT_ENOUGH_OPERATORS: 500,
  NOT_ENOUGH_PIECES: 500,
  NOT_ENOUGH_CONFIRMATIONS: 500,
  UNAUTHORIZED: 403,
  FULL: 507,
  DAMAGED: 500,
  BUSY: 503,
  TIMEOUT: 504,
  UNREACHABLE: 502,
  ABORTED: 503,
  PROTOCOL: 502,
  DISK: 500,
  PORT_IN_USE: 500,
  LOCKED: 500,
  UNSUPPORTED: 405,
  CLOSED: 503,
  INTERNAL: 500,
};

export interface HttpRefusal {
  readonly status: number;
  readonly body: JsonObject;
  readonly headers: Readonly<Record<string, string>>;
}

/** A refusal whose status or headers the code alone does not give. */
export class HttpError extends StoreError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, error: StoreError, headers: Readonly<Record<string, string>> = {}) {
    super(error.code, error.message, error.next === undefined ? {} : { next: error.next });
    this.status = status;
    this.headers = headers;
  }
}

/** What whoever asked is told. What the disk said, and what a defect looks like, stays in the log. */
export function refusalOf(error: unknown): HttpRefusal {
  const told = toldOf(error);
  const { code, message, next } = told;
  const isOwn = told instanceof HttpError;
  return {
    status: isOwn ? told.status : STATUS[code],
    body: { error: { code, message, next: next ?? null } },
    headers: isOwn ? told.headers : {},
  };
}

function toldOf(error: unknown): StoreError {
  if (!(error instanceof StoreError)) return new StoreError('INTERNAL', 'a defect of this node', LOOK_IN_LOG);
  if (error.code === 'DISK') return new StoreError('DISK', 'the disk of this node failed', LOOK_IN_LOG);
  return error.code === 'ABORTED' ? new StoreError('CLOSED', 'the node is stopping') : error;
}

const LOOK_IN_LOG = { next: 'Look in the log of the node.' };
