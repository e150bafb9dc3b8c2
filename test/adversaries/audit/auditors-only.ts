// A holder that answers its auditors and no reader.

import { StoreError } from '../../../src/base/errors.ts';
import type { Auditor } from '../../node/audit/audit-kit.ts';
import { lies } from './liar.ts';

export function servesAuditorsOnly(auditor: Auditor): void {
  lies(auditor, 'get-piece', () => Promise.reject(new StoreError('BUSY', 'not today')));
}
