// Registers the operators with ONNX Runtime and turns its calls into ours.
#include "crash.h"
#include "dispatch.h"
#include "operator.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static void *const *api;

#define CALL(place, ...) ((OrtStatus(*)())api[place])(__VA_ARGS__)
#define TRY(status)                     \
  do {                                  \
    OrtStatus status_ = (status);       \
    if (status_ != NULL) return status_; \
  } while (0)

static OrtStatus fail(const char *message) { return ((OrtStatus(*)(int, const char *))api[API_CREATE_STATUS])(ORT_INVALID_ARGUMENT, message); }

static void forget(OrtStatus status) { ((void (*)(OrtStatus))api[API_RELEASE_STATUS])(status); }

// ---- what ONNX Runtime asks about an operator

static const Operator *of(const OrtCustomOp *op) { return (const Operator *)(const void *)op; }
static int type_of(char type) { return type == 'b' ? ORT_BFLOAT16 : ORT_FLOAT; }
static const char *name_of(const OrtCustomOp *op) { return of(op)->name; }
static const char *provider_of(const OrtCustomOp *op) { return (void)op, NULL; }
static int input_type(const OrtCustomOp *op, size_t i) { return type_of(of(op)->in[i]); }
static int output_type(const OrtCustomOp *op, size_t i) { return type_of(of(op)->out[i]); }
static size_t input_count(const OrtCustomOp *op) { return strlen(of(op)->in); }
static size_t output_count(const OrtCustomOp *op) { return strlen(of(op)->out); }
static int required(const OrtCustomOp *op, size_t i) { return (void)op, (void)i, 0; }
static int one(const OrtCustomOp *op) { return (void)op, 1; }
static int newest(const OrtCustomOp *op) { return (void)op, INT32_MAX; }

// ---- a kernel: an operator with its attributes

typedef struct {
  const Operator *operator;
  int64_t tokens, heads, from;
  float epsilon;
} Kernel;

static int64_t integer(const void *info, const char *name) {
  int64_t value = 0;
  OrtStatus status = CALL(API_KERNEL_INFO_GET_ATTRIBUTE_INT64, info, name, &value);
  if (status == NULL) return value;
  forget(status);
  return 0;
}

static float number(const void *info, const char *name, float otherwise) {
  float value = otherwise;
  OrtStatus status = CALL(API_KERNEL_INFO_GET_ATTRIBUTE_FLOAT, info, name, &value);
  if (status == NULL) return value;
  forget(status);
  return otherwise;
}

static OrtStatus create(const OrtCustomOp *op, const void *unused, const void *info, void **made) {
  (void)unused;
  Kernel *kernel = calloc(1, sizeof *kernel);
  if (kernel == NULL) return fail("out of memory");
  kernel->operator = of(op);
  kernel->tokens = integer(info, "tokens");
  kernel->heads = integer(info, "heads");
  kernel->from = integer(info, "from");
  kernel->epsilon = number(info, "epsilon", 1e-6f);
  *made = kernel;
  return NULL;
}

static void destroy(void *kernel) { free(kernel); }

// ---- a run

static OrtStatus read_input(void *context, size_t i, Tensor *t) {
  void *value, *info;
  size_t axes = 0;
  int64_t dims[MAX_AXES];
  TRY(CALL(API_KERNEL_CONTEXT_GET_INPUT, context, i, &value));
  TRY(CALL(API_GET_TENSOR_MUTABLE_DATA, value, &t->data));
  TRY(CALL(API_GET_TENSOR_TYPE_AND_SHAPE, value, &info));
  OrtStatus status = CALL(API_GET_DIMENSIONS_COUNT, info, &axes);
  if (status == NULL && axes <= MAX_AXES) status = CALL(API_GET_DIMENSIONS, info, dims, axes);
  ((void (*)(void *))api[API_RELEASE_TENSOR_TYPE_AND_SHAPE_INFO])(info);
  TRY(status);
  if (axes > MAX_AXES) return fail("a native operator got a tensor of more than 6 axes");
  t->axes = (int)axes;
  for (size_t k = 0; k < axes; k++) t->dims[k] = (long)dims[k];
  return NULL;
}

static OrtStatus open_output(void *context, size_t i, Tensor *t) {
  void *value;
  int64_t dims[MAX_AXES];
  for (int k = 0; k < t->axes; k++) dims[k] = t->dims[k];
  TRY(CALL(API_KERNEL_CONTEXT_GET_OUTPUT, context, i, dims, (size_t)t->axes, &value));
  return CALL(API_GET_TENSOR_MUTABLE_DATA, value, &t->data);
}

// "LinearF32: bias must be [N]; found [2,3], [4,3], [5]"
static OrtStatus wrong_shapes(const Call *call, const char *wrong) {
  char text[1024];
  size_t at = (size_t)snprintf(text, sizeof text, "%s: %s; found", call->operator->name, wrong);
  for (int i = 0; i < call->inputs; i++) {
    at += (size_t)snprintf(text + at, sizeof text - at, "%s [", i > 0 ? "," : "");
    for (int k = 0; k < call->in[i].axes; k++) at += (size_t)snprintf(text + at, sizeof text - at, "%s%ld", k > 0 ? "," : "", call->in[i].dims[k]);
    at += (size_t)snprintf(text + at, sizeof text - at, "]");
  }
  return fail(text);
}

static int is_empty(const Call *call) {
  for (int i = 0; i < call->inputs; i++)
    for (int k = 0; k < call->in[i].axes; k++)
      if (call->in[i].dims[k] == 0) return 1;
  return 0;
}

static void run_on_threads(void *context, void (*task)(void *user, size_t index), size_t count, void *user) {
  CALL(API_KERNEL_CONTEXT_PARALLEL_FOR, context, task, count, (size_t)0, user);
}

static OrtStatus compute(void *made, void *context) {
  const Kernel *kernel = made;
  const Operator *operator = kernel->operator;
  Call call = {.operator = operator, .kernels = kernels(), .tasks = {context, run_on_threads}};
  call.tokens = (long)kernel->tokens;
  call.heads = (long)kernel->heads;
  call.from = (long)kernel->from;
  call.epsilon = kernel->epsilon;
  call.inputs = (int)strlen(operator->in);
  call.outputs = (int)strlen(operator->out);
  for (int i = 0; i < call.inputs; i++) {
    call.in[i].type = operator->in[i];
    TRY(read_input(context, (size_t)i, &call.in[i]));
  }
  const char *wrong = is_empty(&call) ? "a dimension is 0" : operator->shapes(&call);
  if (wrong != NULL) return wrong_shapes(&call, wrong);
  for (int i = 0; i < call.outputs; i++) {
    call.out[i].type = operator->out[i];
    TRY(open_output(context, (size_t)i, &call.out[i]));
  }
  running = &call;
  operator->compute(&call);
  running = NULL;
  return NULL;
}

// What ONNX Runtime calls when a session's options name this library.
EXPORT OrtStatus RegisterCustomOps(void *options, const OrtApiBase *base) {
  api = base->GetApi(ORT_API_VERSION);
  if (api == NULL) return NULL;
  if (kernels() == NULL) return fail("maestro: this processor has none of the instruction sets of the native operators");
  maestro_watch_crashes();
  void *domain;
  TRY(CALL(API_CREATE_CUSTOM_OP_DOMAIN, "maestro", &domain));
  for (int i = 0; i < OPERATOR_COUNT; i++) {
    OPERATORS[i].ort = (OrtCustomOp){
      .version = ORT_API_VERSION,
      .GetName = name_of,
      .GetExecutionProviderType = provider_of,
      .GetInputType = input_type,
      .GetInputTypeCount = input_count,
      .GetOutputType = output_type,
      .GetOutputTypeCount = output_count,
      .KernelDestroy = destroy,
      .GetInputCharacteristic = required,
      .GetOutputCharacteristic = required,
      .GetInputMemoryType = required,
      .GetVariadicInputMinArity = one,
      .GetVariadicInputHomogeneity = one,
      .GetVariadicOutputMinArity = one,
      .GetVariadicOutputHomogeneity = one,
      .CreateKernelV2 = create,
      .KernelComputeV2 = compute,
      .GetStartVersion = one,
      .GetEndVersion = newest,
    };
    TRY(CALL(API_CUSTOM_OP_DOMAIN_ADD, domain, &OPERATORS[i]));
  }
  return CALL(API_ADD_CUSTOM_OP_DOMAIN, options, domain);
}
