export {
  ATTENTION_COLUMNS,
  NATIVE_DOMAIN,
  NATIVE_OPERATORS,
  type NativeLayer,
  type NativeOperator,
  nativeOperator,
  OPERATORS_VERSION,
  PRECISIONS,
  type Precision,
} from './operators.ts';
