// Evaluates LogQL with Loki's own engine over streams that come on the standard input, for tests to compare with. Built inside a copy of
// Loki's module; see lokiTools.ts.
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	kitlog "github.com/go-kit/log"
	"github.com/grafana/dskit/user"

	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/util/marshal"
)

type input struct {
	Streams []struct {
		Labels  string `json:"labels"`
		Entries []struct {
			Ns   int64  `json:"ns"`
			Line string `json:"line"`
		} `json:"entries"`
	} `json:"streams"`
	Queries []struct {
		Query   string `json:"query"`
		StartNs int64  `json:"startNs"`
		EndNs   int64  `json:"endNs"`
		StepNs  int64  `json:"stepNs"`
		Limit   uint32 `json:"limit"`
	} `json:"queries"`
}

type output struct {
	Type      string      `json:"resultType,omitempty"`
	Result    interface{} `json:"result,omitempty"`
	Formatted string      `json:"formatted,omitempty"`
	Error     string      `json:"error,omitempty"`
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	streams := make([]logproto.Stream, 0, len(in.Streams))
	for _, s := range in.Streams {
		stream := logproto.Stream{Labels: s.Labels}
		for _, e := range s.Entries {
			stream.Entries = append(stream.Entries, logproto.Entry{Timestamp: time.Unix(0, e.Ns), Line: e.Line})
		}
		streams = append(streams, stream)
	}
	engine := logql.NewEngine(logql.EngineOpts{}, logql.NewMockQuerier(0, streams), logql.NoLimits, kitlog.NewNopLogger())
	ctx := user.InjectOrgID(context.Background(), "test")
	outputs := make([]output, 0, len(in.Queries))
	for _, q := range in.Queries {
		outputs = append(outputs, run(ctx, engine, q.Query, q.StartNs, q.EndNs, q.StepNs, q.Limit))
	}
	if err := json.NewEncoder(os.Stdout).Encode(outputs); err != nil {
		panic(err)
	}
}

func run(ctx context.Context, engine *logql.QueryEngine, query string, startNs, endNs, stepNs int64, limit uint32) (out output) {
	expr, err := syntax.ParseExpr(query)
	if err != nil {
		return output{Error: err.Error()}
	}
	out.Formatted = syntax.Prettify(expr)
	params, err := logql.NewLiteralParams(query, time.Unix(0, startNs), time.Unix(0, endNs), time.Duration(stepNs), 0, logproto.FORWARD,
		limit, nil, nil)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	result, err := engine.Query(params).Exec(ctx)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	value, err := marshal.NewResultValue(result.Data)
	if err != nil {
		out.Error = err.Error()
		return out
	}
	out.Type = string(value.Type())
	out.Result = value
	return out
}
