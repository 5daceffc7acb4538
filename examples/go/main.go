// Command search ranks images for a sentence, best first, with the C library of clippie-rs:
//
//	search MODEL SENTENCE IMAGE...
//	search demo "a white square below a red star" examples/drawings/?*.png
//
// Build it with PKG_CONFIG_PATH=PREFIX/lib/pkgconfig go build.
package main

/*
#cgo pkg-config: clippie-rs
#include <clippie.h>
#include <stdlib.h>
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"sort"
	"unsafe"
)

const shown = 5

// taken returns the error that a call has written, as one of Go, and frees it.
func taken(err *C.clippie_error) error {
	if err == nil {
		return nil
	}
	defer C.clippie_error_free(err)
	return errors.New(C.GoString(C.clippie_error_message(err)))
}

// cStrings copies strings to memory of C, in which a call may keep pointers; free releases it.
func cStrings(values []string) (copies **C.char, free func()) {
	size := C.size_t(unsafe.Sizeof((*C.char)(nil)))
	array := (**C.char)(C.calloc(C.size_t(len(values)), size))
	all := unsafe.Slice(array, len(values))
	for i, value := range values {
		all[i] = C.CString(value)
	}
	return array, func() {
		for _, one := range all {
			C.free(unsafe.Pointer(one))
		}
		C.free(unsafe.Pointer(array))
	}
}

// Model is an opened model. Any number of goroutines may use it; Close frees it.
type Model struct{ handle *C.clippie_model }

func open(name string) (*Model, error) {
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var failed *C.clippie_error
	handle := C.clippie_load(text, nil, nil, nil, nil, &failed)
	if err := taken(failed); err != nil {
		return nil, err
	}
	return &Model{handle}, nil
}

// Close frees the model; no call may use it any more.
func (m *Model) Close() { C.clippie_model_free(m.handle) }

func (m *Model) dim() int { return int(C.clippie_model_embed_dim(m.handle)) }

// encodeText returns the embedding of a text.
func (m *Model) encodeText(text string) ([]float32, error) {
	texts, free := cStrings([]string{text})
	defer free()
	row := make([]float32, m.dim())
	var failed *C.clippie_error
	C.clippie_encode_texts(m.handle, texts, nil, 1, (*C.float)(&row[0]), C.size_t(len(row)), nil, nil, &failed)
	return row, taken(failed)
}

// encodeImages returns an embedding or an error for each image.
func (m *Model) encodeImages(paths []string) ([][]float32, []error, error) {
	names, free := cStrings(paths)
	defer free()
	images := (*C.clippie_image)(C.calloc(C.size_t(len(paths)), C.size_t(unsafe.Sizeof(C.clippie_image{}))))
	defer C.free(unsafe.Pointer(images))
	for i, name := range unsafe.Slice(names, len(paths)) {
		unsafe.Slice(images, len(paths))[i] = C.clippie_image_path(name)
	}
	values := make([]float32, len(paths)*m.dim())
	items := make([]*C.clippie_error, len(paths))
	var failed *C.clippie_error
	C.clippie_encode_images(m.handle, images, C.size_t(len(paths)), (*C.float)(&values[0]), C.size_t(len(values)), nil,
		&items[0], &failed)
	rows, problems := make([][]float32, len(paths)), make([]error, len(paths))
	for i := range paths {
		rows[i], problems[i] = values[i*m.dim():(i+1)*m.dim()], taken(items[i])
	}
	return rows, problems, taken(failed)
}

func rank(name, sentence string, paths []string) error {
	model, err := open(name)
	if err != nil {
		return err
	}
	defer model.Close()
	query, err := model.encodeText(sentence)
	if err != nil {
		return err
	}
	rows, problems, err := model.encodeImages(paths)
	if err != nil {
		return err
	}
	type ranked struct {
		cosine float32
		path   string
	}
	var results []ranked
	for i, row := range rows {
		if problems[i] != nil {
			fmt.Fprintln(os.Stderr, problems[i])
			continue
		}
		// Both have length one, so that their product is the cosine.
		var cosine float32
		for j := range row {
			cosine += row[j] * query[j]
		}
		results = append(results, ranked{cosine, paths[i]})
	}
	sort.SliceStable(results, func(i, j int) bool { return results[i].cosine > results[j].cosine })
	fmt.Printf("%d pictures; best for %q:\n", len(results), sentence)
	for i := 0; i < len(results) && i < shown; i++ {
		fmt.Printf("%.4f  %s\n", results[i].cosine, results[i].path)
	}
	return nil
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: search MODEL SENTENCE IMAGE...")
		os.Exit(2)
	}
	if err := rank(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}
