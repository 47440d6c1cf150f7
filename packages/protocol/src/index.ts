export {
  assertInternal,
  ERROR_CODES,
  type ErrorCode,
  type ErrorOptionsWithDetails,
  errorMessage,
  isMaestroError,
  MaestroError,
} from './errors.ts';
