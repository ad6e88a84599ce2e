package observe

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// LogOptions shape a log.
type LogOptions struct {
	Level string // debug, info, warn or error
	Text  bool   // lines for people instead of JSON
}

// NewLogger returns a logger that writes whole lines to w, one at a time.
func NewLogger(w io.Writer, options LogOptions) (*zap.Logger, error) {
	level, err := zapcore.ParseLevel(options.Level)
	if err != nil {
		return nil, fmt.Errorf("parse log level: %w", err)
	}
	config := zap.NewProductionEncoderConfig()
	config.TimeKey = "time"
	config.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	config.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(config)
	if options.Text {
		encoder = zapcore.NewConsoleEncoder(config)
	}
	return zap.New(zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), level)), nil
}
