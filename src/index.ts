// The one door of the library. Importing it loads next to nothing; `createStore` loads what it needs.

export { ERROR_CODES, type ErrorCode, type ErrorDetails, StoreError } from './base/errors.ts';
export { NameConflict } from './client/names/condition.ts';
export { createStore } from './client/store.ts';
export type {
  BucketOptions,
  Buckets,
  BucketView,
  ListOptions,
  NameCondition,
  NameListing,
  NameStat,
  NameWrite,
  ReleaseOutcome,
  RemoveNameResult,
} from './client/name-types.ts';
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
