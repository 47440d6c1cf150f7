// An operator as its shape rule and computation see it: tensors in, tensors out.
#pragma once
#include "kernels.h"
#include "ort.h"

enum { MAX_AXES = 6, MAX_PORTS = 8 };

typedef struct {
  void *data;
  long dims[MAX_AXES];
  int axes;
  char type; // 'f' or 'b'
} Tensor;

typedef struct Operator Operator;

// One run of an operator.
typedef struct {
  const Operator *operator;
  const Kernels *kernels;
  Tasks tasks;
  long tokens, heads, from;
  float epsilon;
  int inputs, outputs;
  Tensor in[MAX_PORTS], out[MAX_PORTS];
} Call;

struct Operator {
  OrtCustomOp ort; // first: ONNX Runtime gives this address back
  const char *name;
  const char *in, *out; // a type for each port
  Precision precision;
  // Fills dims of `out`. Gives what is wrong with the shapes, or null.
  const char *(*shapes)(Call *);
  void (*compute)(Call *);
};

// The operators of the domain; `ort` is filled in when they are registered.
extern Operator OPERATORS[];
extern const int OPERATOR_COUNT;
