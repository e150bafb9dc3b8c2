// The one door of the library. Importing it loads next to nothing; `createStore` loads what it needs.

export { ERROR_CODES, type ErrorCode, type ErrorDetails, StoreError } from './base/errors.ts';
export { createStore } from './client/store.ts';
export type {
  CallEvents,
  GetOptions,
  GetResult,
  MemberView,
  NetworkDescription,
  NetworkView,
  NoticeEvent,
  ObjectStat,
  Phase,
  ProgressEvent,
  PutOptions,
  PutResult,
  RemoveResult,
  Source,
  Store,
  StoreOptions,
} from './client/types.ts';
