import type { NodeLogger } from '../../../src/node/storage-node.ts';

const nothing = (): void => undefined;
export const quietLogger: NodeLogger = { debug: nothing, info: nothing, warn: nothing, error: nothing };
